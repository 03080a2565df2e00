package dhcp4

import (
	"strconv"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// The option codes this package acts on (RFC 2132 and the RFC named).
const (
	optPad          = uint8(dhcpv4.OptionPad)
	optMask         = uint8(dhcpv4.OptionSubnetMask)
	optRouter       = uint8(dhcpv4.OptionRouter)
	optDNS          = uint8(dhcpv4.OptionDomainNameServer)
	optHostName     = uint8(dhcpv4.OptionHostName)
	optDomain       = uint8(dhcpv4.OptionDomainName)
	optMTU          = uint8(dhcpv4.OptionInterfaceMTU)
	optBroadcast    = uint8(dhcpv4.OptionBroadcastAddress)
	optStaticRoutes = uint8(dhcpv4.OptionStaticRoutingTable)
	optNTP          = uint8(dhcpv4.OptionNTPServers)
	optVendor       = uint8(dhcpv4.OptionVendorSpecificInformation)
	optRequestedIP  = uint8(dhcpv4.OptionRequestedIPAddress)
	optLeaseTime    = uint8(dhcpv4.OptionIPAddressLeaseTime)
	optOverload     = uint8(dhcpv4.OptionOptionOverload)
	optType         = uint8(dhcpv4.OptionDHCPMessageType)
	optServerID     = uint8(dhcpv4.OptionServerIdentifier)
	optParams       = uint8(dhcpv4.OptionParameterRequestList)
	optMessage      = uint8(dhcpv4.OptionMessage)
	optMaxSize      = uint8(dhcpv4.OptionMaximumDHCPMessageSize)
	optT1           = uint8(dhcpv4.OptionRenewTimeValue)
	optT2           = uint8(dhcpv4.OptionRebindingTimeValue)
	optVendorClass  = uint8(dhcpv4.OptionClassIdentifier)
	optClientID     = uint8(dhcpv4.OptionClientIdentifier)
	optServerName   = uint8(dhcpv4.OptionTFTPServerName)
	optBootFile     = uint8(dhcpv4.OptionBootfileName)
	optRapidCommit  = uint8(dhcpv4.OptionRapidCommit)          // RFC 4039
	optFQDN         = uint8(dhcpv4.OptionFQDN)                 // RFC 4702
	optIPv6Only     = uint8(dhcpv4.OptionIPv6OnlyPreferred)    // RFC 8925
	optSearch       = uint8(dhcpv4.OptionDNSDomainSearchList)  // RFC 3397
	optRoutes       = uint8(dhcpv4.OptionClasslessStaticRoute) // RFC 3442
	optMSRoutes     = 249                                      // the same, before there was an RFC
	optSiteFirst    = 224                                      // RFC 3942: private use up to 254
	optEnd          = uint8(dhcpv4.OptionEnd)
)

// The message types (RFC 2132 §9.6).
const (
	typeDiscover = uint8(dhcpv4.MessageTypeDiscover)
	typeOffer    = uint8(dhcpv4.MessageTypeOffer)
	typeRequest  = uint8(dhcpv4.MessageTypeRequest)
	typeDecline  = uint8(dhcpv4.MessageTypeDecline)
	typeAck      = uint8(dhcpv4.MessageTypeAck)
	typeNak      = uint8(dhcpv4.MessageTypeNak)
	typeRelease  = uint8(dhcpv4.MessageTypeRelease)
	typeInform   = uint8(dhcpv4.MessageTypeInform)
)

// typeName names a message type that a client receives.
func typeName(t uint8) string {
	switch t {
	case 0:
		return "BOOTP"
	case typeOffer:
		return "OFFER"
	case typeAck:
		return "ACK"
	case typeNak:
		return "NAK"
	}
	return strconv.Itoa(int(t))
}

// The fixed part of a BOOTP message (RFC 951, RFC 2131 §2): offsets and sizes
// in octets.
const (
	offHops    = 3
	offXid     = 4
	offSecs    = 8
	offFlags   = 10
	offCIAddr  = 12
	offYIAddr  = 16
	offSIAddr  = 20
	offGIAddr  = 24
	offCHAddr  = 28
	offSname   = 44
	offFile    = 108
	offCookie  = 236
	offOptions = 240

	opRequest = uint8(dhcpv4.OpcodeBootRequest)
	opReply   = uint8(dhcpv4.OpcodeBootReply)

	// minPayload is the size old servers and relays expect at least
	// (RFC 1542 §2.1).
	minPayload = 300

	flagBroadcast = 0x8000

	hwInfiniband = 32 // RFC 4390
)

// magic is the cookie before the options (RFC 1048).
const magic = 0x63825363
