package inittab

import "daemonbox/applets/dhcpagent/api"

// row is a built-in entry: code (field: offset), name, type, granularity and
// maximum. The tables are constant data and cost no start time.
type row struct {
	code uint16
	name string
	typ  Type
	gran uint8
	max  uint8
}

// builtins returns the built-in entries of a category.
func builtins(family uint8, cat api.Category) []row {
	switch {
	case family == 4 && cat == api.Standard:
		return standard4[:]
	case family == 4 && cat == api.Field:
		return field4[:]
	case family == 4 && cat == api.Vendor:
		return vendor4[:]
	case family == 6 && cat == api.Standard:
		return standard6[:]
	case family == 6 && cat == api.Field:
		return field6[:]
	}
	return nil
}

// standard4 are the options of RFC 2132 and its successors. Of two rows with one
// code the second only gives it another name.
var standard4 = [...]row{
	{1, "Subnet", IP, 1, 1},
	{2, "UTCoffst", SNumber32, 1, 1},
	{3, "Router", IP, 1, 0},
	{4, "Timeserv", IP, 1, 0},
	{5, "IEN116ns", IP, 1, 0},
	{6, "DNSserv", IP, 1, 0},
	{7, "Logserv", IP, 1, 0},
	{8, "Cookie", IP, 1, 0},
	{9, "Lprserv", IP, 1, 0},
	{10, "Impress", IP, 1, 0},
	{11, "Resource", IP, 1, 0},
	{12, "Hostname", ASCII, 1, 0},
	{13, "Bootsize", UNumber16, 1, 1},
	{14, "Dumpfile", ASCII, 1, 0},
	{15, "DNSdmain", ASCII, 1, 0},
	{16, "Swapserv", IP, 1, 1},
	{17, "Rootpath", ASCII, 1, 0},
	{18, "ExtendP", ASCII, 1, 0},
	{19, "IpFwdF", UNumber8, 1, 1},
	{20, "NLrouteF", UNumber8, 1, 1},
	{21, "PFilter", IP, 2, 0},
	{22, "MaxIpSiz", UNumber16, 1, 1},
	{23, "IpTTL", UNumber8, 1, 1},
	{24, "PathTO", UNumber32, 1, 1},
	{25, "PathTbl", UNumber16, 1, 0},
	{26, "MTU", UNumber16, 1, 1},
	{27, "SameMtuF", UNumber8, 1, 1},
	{28, "Broadcst", IP, 1, 1},
	{29, "MaskDscF", UNumber8, 1, 1},
	{30, "MaskSupF", UNumber8, 1, 1},
	{31, "RDiscvyF", UNumber8, 1, 1},
	{32, "RSolictS", IP, 1, 1},
	{33, "StaticRt", IP, 2, 0},
	{34, "TrailerF", UNumber8, 1, 1},
	{35, "ArpTimeO", UNumber32, 1, 1},
	{36, "EthEncap", UNumber8, 1, 1},
	{37, "TcpTTL", UNumber8, 1, 1},
	{38, "TcpKaInt", UNumber32, 1, 1},
	{39, "TcpKaGbF", UNumber8, 1, 1},
	{40, "NISdmain", ASCII, 1, 0},
	{41, "NISservs", IP, 1, 0},
	{42, "NTPservs", IP, 1, 0},
	{43, "Vendor", Octet, 1, 0},
	{44, "NetBNms", IP, 1, 0},
	{45, "NetBDsts", IP, 1, 0},
	{46, "NetBNdT", UNumber8, 1, 1},
	{47, "NetBScop", ASCII, 1, 0},
	{48, "XFontSrv", IP, 1, 0},
	{49, "XDispMgr", IP, 1, 0},
	{50, "ReqIP", IP, 1, 1},
	{51, "LeaseTim", UNumber32, 1, 1},
	{52, "OptOvrld", UNumber8, 1, 1},
	{53, "DHCPType", UNumber8, 1, 1},
	{54, "ServerID", IP, 1, 1},
	{55, "ReqList", Octet, 1, 0},
	{56, "Message", ASCII, 1, 0},
	{57, "DHCP_MTU", UNumber16, 1, 1},
	{58, "T1Time", UNumber32, 1, 1},
	{59, "T2Time", UNumber32, 1, 1},
	{60, "ClassID", ASCII, 1, 0},
	{61, "ClientID", Octet, 1, 0},
	{62, "NW_dmain", ASCII, 1, 0},
	{63, "NWIPOpts", Octet, 1, 128},
	{64, "NIS+dom", ASCII, 1, 0},
	{65, "NIS+serv", IP, 1, 0},
	{66, "TFTPsrvN", ASCII, 1, 64},
	{67, "OptBootF", ASCII, 1, 128},
	{68, "MblIPAgt", IP, 1, 0},
	{69, "SMTPserv", IP, 1, 0},
	{70, "POP3serv", IP, 1, 0},
	{71, "NNTPserv", IP, 1, 0},
	{72, "WWWservs", IP, 1, 0},
	{73, "Fingersv", IP, 1, 0},
	{74, "IRCservs", IP, 1, 0},
	{75, "STservs", IP, 1, 0},
	{76, "STDAservs", IP, 1, 0},
	{77, "UserClas", ASCII, 1, 0},
	{78, "SLP_DA", Octet, 1, 0},
	{79, "SLP_SS", Octet, 1, 0},
	{80, "RapidCommit", Bool, 1, 0},
	{81, "FQDN", Octet, 1, 0},
	{82, "AgentOpt", Octet, 1, 0},
	{89, "FQDN89", Octet, 1, 0},
	{100, "TzPosix", ASCII, 1, 0},
	{100, "Tz1", ASCII, 1, 0},
	{101, "TzDb", ASCII, 1, 0},
	{101, "Tz2", ASCII, 1, 0},
	{108, "V6Only", UNumber32, 1, 1},
	{114, "CaptPort", ASCII, 1, 0},
	{116, "AutoConf", UNumber8, 1, 1},
	{118, "SubSel", IP, 1, 1},
	{119, "DNSsearch", Domain, 1, 0},
	{121, "ClsRoutes", Routes, 1, 0},
	{150, "TFTPaddr", IP, 1, 0},
	{249, "MsRoutes", Routes, 1, 0},
}

// field4 are the fields of a BOOTP message (RFC 951).
var field4 = [...]row{
	{0, "Opcode", UNumber8, 1, 1},
	{1, "Htype", UNumber8, 1, 1},
	{2, "HLen", UNumber8, 1, 1},
	{3, "Hops", UNumber8, 1, 1},
	{4, "Xid", UNumber32, 1, 1},
	{8, "Secs", UNumber16, 1, 1},
	{10, "Flags", Octet, 1, 2},
	{12, "Ciaddr", IP, 1, 1},
	{16, "Yiaddr", IP, 1, 1},
	{20, "BootSrvA", IP, 1, 1},
	{24, "Giaddr", IP, 1, 1},
	{28, "Chaddr", Octet, 1, 16},
	{44, "BootSrvN", ASCII, 1, 64},
	{108, "BootFile", ASCII, 1, 128},
	{236, "Magic", Octet, 1, 4},
	{240, "Options", Octet, 1, 60},
}

// vendor4 are sub-options of option 43, as boot programs of the Solaris family
// use them.
var vendor4 = [...]row{
	{1, "SrootOpt", ASCII, 1, 0},
	{2, "SrootIP4", IP, 1, 1},
	{3, "SrootNM", ASCII, 1, 0},
	{4, "SrootPTH", ASCII, 1, 0},
	{5, "SswapIP4", IP, 1, 1},
	{6, "SswapPTH", ASCII, 1, 0},
	{7, "SbootFIL", ASCII, 1, 0},
	{8, "Stz", ASCII, 1, 0},
	{9, "SbootRS", UNumber16, 1, 1},
	{10, "SinstIP4", IP, 1, 1},
	{11, "SinstNM", ASCII, 1, 0},
	{12, "SinstPTH", ASCII, 1, 0},
	{13, "SsysidCF", ASCII, 1, 0},
	{14, "SjumpsCF", ASCII, 1, 0},
	{15, "Sterm", ASCII, 1, 0},
	{16, "SbootURI", ASCII, 1, 0},
	{17, "SHTTPproxy", ASCII, 1, 0},
}

// standard6 are the options of RFC 8415 and its companions.
var standard6 = [...]row{
	{1, "ClientID", DUID, 1, 1},
	{2, "ServerID", DUID, 1, 1},
	{7, "Preference", UNumber8, 1, 1},
	{12, "Unicast", IPv6, 1, 1},
	{13, "Status", UNumber16, 1, 1},
	{14, "RapidCommit", Bool, 1, 0},
	{15, "UserClass", Octet, 1, 0},
	{16, "VendorClass", Octet, 1, 0},
	{19, "Reconfigure", UNumber8, 1, 1},
	{21, "SIPNames", Domain, 1, 0},
	{22, "SIPAddresses", IPv6, 1, 0},
	{23, "DNSAddresses", IPv6, 1, 0},
	{24, "DNSSearch", Domain, 1, 0},
	{27, "NISServers", IPv6, 1, 0},
	{28, "NIS+Servers", IPv6, 1, 0},
	{29, "NISDomain", Domain, 1, 0},
	{30, "NIS+Domain", Domain, 1, 0},
	{31, "SNTPServers", IPv6, 1, 0},
	{32, "InfoRefresh", UNumber32, 1, 1},
	{33, "BCMCDomain", Domain, 1, 0},
	{34, "BCMCAddresses", IPv6, 1, 0},
	{36, "Geoconf", Octet, 1, 3},
	{37, "RemoteID", Octet, 1, 4},
	{38, "Subscriber", Octet, 1, 0},
	{39, "ClientFQDN", Octet, 1, 0},
	{56, "NTPServer", Octet, 1, 0},
	{59, "BootURL", ASCII, 1, 0},
	{82, "SolMaxRT", UNumber32, 1, 1},
	{83, "InfMaxRT", UNumber32, 1, 1},
	{103, "CaptPort", ASCII, 1, 0},
	{148, "AddrReg", Bool, 1, 0},
}

// field6 are the fields of a DHCPv6 message and of a relayed one
// (RFC 8415 §8, §9).
var field6 = [...]row{
	{0, "MsgType", UNumber8, 1, 1},
	{1, "TransId", UNumber24, 1, 1},
	{1, "HopCount", UNumber8, 1, 1},
	{2, "LinkAddr", IPv6, 1, 1},
	{18, "PeerAddr", IPv6, 1, 1},
}
