package dhcp4

import "testing"

func TestNames(t *testing.T) {
	tests := []struct {
		name             string
		user, iface, own string
		set              func(c *Config)
		host, fqdn       string
	}{
		{name: "nothing known"},
		{name: "user", user: "alpha", iface: "beta", own: "gamma", host: "alpha"},
		{name: "interface", iface: "beta", own: "gamma", host: "beta"},
		{name: "node, not primary", own: "gamma"},
		{name: "node", own: "gamma", set: func(c *Config) { c.Primary = true }, host: "gamma"},
		{name: "not wanted", iface: "beta", own: "gamma", set: func(c *Config) { c.Primary, c.RequestHostname = true, false }},
		{name: "user though not wanted", user: "alpha", set: func(c *Config) { c.RequestHostname = false }, host: "alpha"},
		{name: "localhost", user: "localhost"},
		{name: "localhost with domain", user: "LocalHost.example.org"},
		{name: "invalid", user: "a b"},
		{name: "injection", user: "a;reboot"},
		{name: "dot at the end", user: "alpha.", fqdn: "alpha"},
		{name: "two dots", user: "alpha.example.org", fqdn: "alpha.example.org"},
		{name: "one dot", user: "alpha.example", host: "alpha.example"},
		{name: "domain given", user: "alpha", set: func(c *Config) { c.DNSDomain = "example.org" }, fqdn: "alpha.example.org"},
		{name: "one dot and domain", user: "a.b", set: func(c *Config) { c.DNSDomain = ".example.org." }, fqdn: "a.b.example.org"},
		{name: "no FQDN wanted", user: "alpha.example.org", set: func(c *Config) { c.RequestFQDN = false }, host: "alpha.example.org"},
		{
			name: "interface name is never qualified", iface: "beta.example.org",
			set: func(c *Config) { c.DNSDomain = "example.org" }, host: "beta.example.org",
		},
		{
			name: "resolver's domain", user: "alpha",
			set: func(c *Config) { c.AdoptDomain, c.ResolverDomain = true, "example.net" }, fqdn: "alpha.example.net",
		},
		{name: "resolver's domain not adopted", user: "alpha", set: func(c *Config) { c.ResolverDomain = "example.net" }, host: "alpha"},
		{name: "bad domain", user: "alpha", set: func(c *Config) { c.DNSDomain = "bad domain" }, host: "alpha"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, testConfig())
			b.cfg.IfHostname, b.cfg.NodeName = tt.iface, tt.own
			if tt.set != nil {
				tt.set(b.cfg)
			}
			b.c.hostname = tt.user
			if host, fqdn := b.c.names(); host != tt.host || fqdn != tt.fqdn {
				t.Errorf("got %q, %q, want %q, %q", host, fqdn, tt.host, tt.fqdn)
			}
		})
	}
	b := newBench(t, testConfig())
	b.cfg.AdoptDomain, b.cfg.ResolverDomain = true, "example.net"
	b.c.hostname = "alpha"
	b.c.lease = &lease{net: &NetConfig{Domain: "example.org"}}
	if _, fqdn := b.c.names(); fqdn != "alpha.example.org" {
		t.Errorf("the server's domain comes first, got %q", fqdn)
	}
}
