package dhcpctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"daemonbox/applets/dhcpagent/api"
)

const statusHeader = "Interface  State         Sent  Recv  Declined  Flags\n"

// statusRow prints one interface. Scripts rely on the columns.
func statusRow(out *bytes.Buffer, raw []byte, wide bool) error {
	var s api.StatusResult
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	flags := make([]string, len(s.Flags))
	for i, f := range s.Flags {
		flags[i] = "[" + f + "]"
	}
	row := fmt.Sprintf("%-10s %-12s %5d %5d %9d  %s", s.Interface, s.State, s.Counters.Sent, s.Counters.Recv, s.Counters.BadOffers, strings.Join(flags, " "))
	out.WriteString(strings.TrimRight(row, " "))
	out.WriteByte('\n')
	switch s.State {
	case "BOUND", "RENEWING", "REBINDING":
		fmt.Fprintf(out, "(Began, Expires, Renew) = (%s, %s, %s)\n", clock(s.Began), clock(s.Expires), clock(s.T1))
	}
	if wide {
		details(out, &s)
	}
	return nil
}

// clock is a time in the form of the original, in local time.
func clock(t *time.Time) string {
	if t == nil {
		return "Never"
	}
	return t.Local().Format("01/02/2006 15:04")
}

// details prints what --wide adds, a line for each thing there is.
func details(out *bytes.Buffer, s *api.StatusResult) {
	line := func(name string, values ...string) {
		if v := strings.TrimSpace(strings.Join(values, " ")); v != "" {
			fmt.Fprintf(out, "    %-10s %s\n", name, v)
		}
	}
	if s.Address != "" {
		line("address", fmt.Sprintf("%s/%d", s.Address, s.PrefixLen))
	}
	line("server", s.Server)
	line("routes", strings.Join(s.Routes, ", "))
	line("dns", s.DNS...)
	line("domain", s.Domain)
	line("search", s.Search...)
	line("ntp", s.NTP...)
	if s.MTU > 0 {
		line("mtu", fmt.Sprint(s.MTU))
	}
	if s.Wait.For != "" {
		text := s.Wait.For
		if s.Wait.Seconds > 0 {
			text += fmt.Sprintf(" (%.1f s)", s.Wait.Seconds)
		}
		line("waits for", text)
	}
	line("last error", s.LastError)
}
