package dhcp4

import "strings"

// names returns the host name for option 12 and the domain name for option 81;
// at most one of them is not empty.
//
// The name comes from the user's request, from the interface's hostname file
// or, on the primary interface, from the node. Only a name of the first and the
// last kind becomes a fully qualified one (RFC 4702), and only if a domain is
// known.
func (c *Client) names() (host, fqdn string) {
	cfg := c.cfg
	name, qualify := c.hostname, true
	switch {
	case name != "":
	case !cfg.RequestHostname:
		return "", ""
	case cfg.IfHostname != "":
		name, qualify = cfg.IfHostname, false
	case cfg.Primary:
		name = cfg.NodeName
	}
	bare := strings.TrimSuffix(name, ".")
	if !ValidHost(bare) || localName(bare) {
		return "", ""
	}
	if !qualify || !cfg.RequestFQDN {
		return bare, ""
	}
	if bare != name || strings.Count(name, ".") >= 2 {
		return "", bare
	}
	if d := c.domain(); d != "" {
		if full := bare + "." + d; ValidHost(full) {
			return "", full
		}
	}
	return bare, ""
}

// domain returns the domain that completes a host name, "" if there is none.
func (c *Client) domain() string {
	d := c.cfg.DNSDomain
	if d == "" && c.cfg.AdoptDomain {
		if c.lease != nil {
			d = c.lease.net.Domain
		}
		if d == "" {
			d = c.cfg.ResolverDomain
		}
	}
	return strings.Trim(d, ".")
}

// localName reports whether the name says nothing about the host. Servers that
// put it into DNS would break resolution for others.
func localName(s string) bool {
	first, _, _ := strings.Cut(s, ".")
	return strings.EqualFold(first, "localhost")
}
