package dhcpagent

import (
	"encoding/json"
	"slices"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/control"
)

// getTag answers with the value of one option or field of the lease.
func (a *agent) getTag(r *control.Request, c *client) {
	var args api.TagArgs
	if len(r.Args) == 0 {
		reply(r, api.Proto, "args: missing", nil)
		return
	}
	if err := json.Unmarshal(r.Args, &args); err != nil {
		reply(r, api.Proto, "args: "+err.Error(), nil)
		return
	}
	switch args.Category {
	case api.Standard, api.Site, api.Vendor, api.Field, api.Extended, api.Internal:
	default:
		reply(r, api.Proto, "args: category: unknown value "+quote(string(args.Category)), nil)
		return
	}
	res := api.TagResult{Code: args.Code}
	current, original := c.m.Ack()
	for _, m := range []*dhcp4.Message{current, original} {
		if m == nil {
			continue
		}
		if v, ok := c.tag(m, &args); ok {
			res.Present, res.Value = true, slices.Clone(v)
			break
		}
	}
	reply(r, api.Success, "", res)
}

// clientIDOption is the client identifier (RFC 2132 §9.14).
const clientIDOption = 61

// tag looks a value up in one message.
func (c *client) tag(m *dhcp4.Message, args *api.TagArgs) ([]byte, bool) {
	switch args.Category {
	case api.Standard, api.Site:
		if args.Code > 254 || args.Code == 0 {
			return nil, false
		}
		code := uint8(args.Code)
		cfg := c.a.machineConfig(c, c.alias())
		if slices.Contains(cfg.ParamIgnore, code) {
			return nil, false
		}
		if v, ok := m.Option(code); ok {
			return v, true
		}
		return cfg.ClientID, code == clientIDOption && len(cfg.ClientID) > 0
	case api.Vendor:
		if args.Code > 255 {
			return nil, false
		}
		return m.Vendor(uint8(args.Code))
	case api.Field:
		v := m.Field(args.Code, args.Size)
		return v, v != nil
	}
	return nil, false
}
