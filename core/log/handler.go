package log

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds the text of one line in octets; the rest is cut.
const maxLine = 8 << 10

// A sink takes finished text: one line without its end.
type sink interface {
	write(at time.Time, level slog.Level, text []byte) error
}

// handler formats a record once for all its sinks:
//
//	ifname: message key=value key="two words"
//
// The interface name leads the line wherever the attribute was given.
type handler struct {
	level  slog.Leveler
	sinks  []sink
	json   slog.Handler // instead of a text sink
	ifname string
	attrs  []byte // formatted attributes of With
	group  string // prefix of keys, "a.b."
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(as []slog.Attr) slog.Handler {
	n := *h
	n.attrs = slices.Clone(h.attrs)
	for _, a := range as {
		n.attrs = appendAttr(n.attrs, n.group, a, &n.ifname)
	}
	if h.json != nil {
		n.json = h.json.WithAttrs(as)
	}
	return &n
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.group += name + "."
	if h.json != nil {
		n.json = h.json.WithGroup(name)
	}
	return &n
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	if h.json != nil {
		errs = append(errs, h.json.Handle(ctx, r))
	}
	if len(h.sinks) == 0 {
		return errors.Join(errs...)
	}
	var room [512]byte
	text := h.format(room[:0], r)
	for _, s := range h.sinks {
		errs = append(errs, s.write(r.Time, r.Level, text))
	}
	return errors.Join(errs...)
}

func (h *handler) format(b []byte, r slog.Record) []byte {
	ifname := h.ifname
	var room [256]byte
	attrs := append(room[:0], h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		attrs = appendAttr(attrs, h.group, a, &ifname)
		return len(attrs) < maxLine
	})
	if ifname != "" {
		b = appendClean(b, ifname)
		b = append(b, ": "...)
	}
	b = appendClean(b, r.Message)
	b = append(b, attrs...)
	if len(b) > maxLine {
		b = append(b[:maxLine], "..."...)
	}
	return b
}

// appendAttr appends " key=value". The attribute ifname is set aside.
func appendAttr(b []byte, group string, a slog.Attr, ifname *string) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, g := range v.Group() {
			b = appendAttr(b, group, g, ifname)
		}
		return b
	}
	if a.Key == "" {
		return b
	}
	if a.Key == "ifname" && group == "" && v.Kind() == slog.KindString {
		*ifname = v.String()
		return b
	}
	b = append(b, ' ')
	b = appendClean(b, group)
	b = appendClean(b, a.Key)
	b = append(b, '=')
	return appendValue(b, v)
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindTime:
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	case slog.KindAny:
		if raw, ok := v.Any().([]byte); ok {
			return strconv.AppendQuote(b, string(raw))
		}
	}
	s := v.String()
	if needsQuote(s) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

func needsQuote(s string) bool {
	if s == "" {
		return true
	}
	for _, r := range s {
		if r == ' ' || r == '"' || r == '=' || r == '\\' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return true
		}
	}
	return false
}

// appendClean appends s with everything escaped that could end the line or
// steer a terminal.
func appendClean(b []byte, s string) []byte {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				b = appendHex(b, s[i])
				continue
			}
		}
		if unicode.IsPrint(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b = append(b, q[1:len(q)-1]...)
	}
	return b
}
