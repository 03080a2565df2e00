package ident

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DUID types (RFC 8415 §11, RFC 6355).
const (
	typeLLT  = 1
	typeEN   = 2
	typeLL   = 3
	typeUUID = 4
)

// Lengths in octets.
const (
	maxDUID   = 130 // RFC 8415 §11.1: the type and up to 128 octets
	minDUID   = 3
	minOption = 2 // RFC 2132 §9.14
	maxOption = 255
	maxLLA    = maxDUID - 8
)

type form uint8

const (
	formDefault form = iota
	formMAC          // hardware type and address
	formDUID         // IAID and the host's own DUID
	formOctets       // option 61 as it is
	formFixed        // IAID and a DUID given in full
	formLL           // IAID and a DUID made from a link-layer address
	formLLT          // the same with a time
)

// A Setting is a parsed CLIENT_ID parameter. The zero Setting asks for the
// default identity.
type Setting struct {
	form   form
	octets []byte // formOctets: the option; formFixed: the DUID; formLL, formLLT: the address unless ifname is set
	ifname string
	hwtype uint16
	hasHW  bool
	time   uint32
	hasT   bool
}

// Default reports whether s asks for the default identity.
func (s *Setting) Default() bool { return s.form == formDefault }

// Errors of Parse.
var (
	errTooShort = errors.New("client identifiers have at least 2 octets")
	errTooLong  = errors.New("client identifiers have at most 255 octets")
	errText     = errors.New("a text identifier must consist of printable ASCII characters")
)

// Parse reads a CLIENT_ID parameter:
//
//	mac            the hardware type and address
//	duid           the interface's IAID and this host's DUID (RFC 4361)
//	1,HWTYPE,TIME,LLA   RFC 4361 with a DUID-LLT; LLA is xx:xx:… or an
//	               interface, whose type is taken when HWTYPE is empty; an
//	               empty TIME is now
//	2,ENTERPRISE,HEX    RFC 4361 with a DUID-EN
//	3,HWTYPE,LLA   RFC 4361 with a DUID-LL
//	4,HEX          RFC 4361 with a DUID-UUID of 16 octets
//	N,HEX          RFC 4361 with a DUID of another type
//	0xHEX          these octets
//	other          the characters as they are
func Parse(value string) (Setting, error) {
	switch {
	case value == "":
		return Setting{}, nil
	case strings.EqualFold(value, "mac"):
		return Setting{form: formMAC}, nil
	case strings.EqualFold(value, "duid"):
		return Setting{form: formDUID}, nil
	}
	if head, rest, ok := strings.Cut(value, ","); ok && decimal(head) {
		return parseDUID(head, rest)
	}
	if digits, ok := cutHex(value); ok {
		b, err := decodeHex(digits)
		if err != nil {
			return Setting{}, fmt.Errorf("hexadecimal identifier: %w", err)
		}
		return octets(b)
	}
	for i := range len(value) {
		if value[i] < 0x20 || value[i] > 0x7e {
			return Setting{}, errText
		}
	}
	return octets([]byte(value))
}

func octets(b []byte) (Setting, error) {
	switch {
	case len(b) < minOption:
		return Setting{}, errTooShort
	case len(b) > maxOption:
		return Setting{}, errTooLong
	}
	return Setting{form: formOctets, octets: b}, nil
}

func cutHex(s string) (string, bool) {
	if len(s) >= 2 && s[0] == '0' && s[1]|0x20 == 'x' {
		return s[2:], true
	}
	return "", false
}

var errHex = errors.New("hexadecimal digits wanted, two for each octet")

// decodeHex is hex.DecodeString with an error that repeats nothing of the
// value: it goes to the log, and the value may hold anything.
func decodeHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, errHex
	}
	return b, nil
}

func decimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func parseDUID(head, rest string) (Setting, error) {
	typ, err := strconv.ParseUint(head, 10, 16)
	if err != nil {
		return Setting{}, fmt.Errorf("DUID type %s: not in 0..65535", head)
	}
	switch typ {
	case typeLLT:
		hw, rest, _ := strings.Cut(rest, ",")
		when, lla, ok := strings.Cut(rest, ",")
		if !ok {
			return Setting{}, errors.New("a DUID of type 1 is written 1,HWTYPE,TIME,ADDRESS")
		}
		return parseLL(formLLT, hw, when, lla)
	case typeLL:
		hw, lla, ok := strings.Cut(rest, ",")
		if !ok {
			return Setting{}, errors.New("a DUID of type 3 is written 3,HWTYPE,ADDRESS")
		}
		return parseLL(formLL, hw, "", lla)
	case typeEN:
		number, data, ok := strings.Cut(rest, ",")
		if !ok {
			return Setting{}, errors.New("a DUID of type 2 is written 2,ENTERPRISE,HEX")
		}
		enterprise, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return Setting{}, fmt.Errorf("enterprise number %+q: not in 0..4294967295", number)
		}
		b := binary.BigEndian.AppendUint32([]byte{0, typeEN}, uint32(enterprise))
		return fixed(b, data)
	case typeUUID:
		// A UUID may be written with its usual dashes.
		rest = strings.ReplaceAll(rest, "-", "")
		if len(rest) != 32 {
			return Setting{}, errors.New("a DUID of type 4 has 16 octets (RFC 6355)")
		}
	}
	return fixed([]byte{byte(typ >> 8), byte(typ)}, rest)
}

// fixed completes a DUID that is given in full.
func fixed(head []byte, digits string) (Setting, error) {
	b, err := decodeHex(digits)
	if err != nil {
		return Setting{}, fmt.Errorf("DUID: %w", err)
	}
	b = append(head, b...)
	if len(b) < minDUID || len(b) > maxDUID {
		return Setting{}, fmt.Errorf("DUID of %d octets: not in %d..%d", len(b), minDUID, maxDUID)
	}
	return Setting{form: formFixed, octets: b}, nil
}

func parseLL(f form, hw, when, lla string) (Setting, error) {
	s := Setting{form: f}
	if hw != "" {
		n, err := strconv.ParseUint(hw, 10, 16)
		if err != nil {
			return Setting{}, fmt.Errorf("hardware type %+q: not in 0..65535", hw)
		}
		s.hwtype, s.hasHW = uint16(n), true
	}
	if when != "" {
		n, err := strconv.ParseUint(when, 10, 32)
		if err != nil {
			return Setting{}, fmt.Errorf("DUID time %+q: not in 0..4294967295", when)
		}
		s.time, s.hasT = uint32(n), true
	}
	if b, ok := parseLLA(lla); ok {
		if !s.hasHW {
			return Setting{}, errors.New("a DUID with a link-layer address needs the hardware type")
		}
		s.octets = b
		return s, nil
	}
	if !validIfname(lla) {
		return Setting{}, fmt.Errorf("%+q is neither a link-layer address nor an interface", lla)
	}
	s.ifname = lla
	return s, nil
}

// parseLLA reads a link-layer address of at least two octets, xx:xx:….
func parseLLA(s string) ([]byte, bool) {
	if !strings.Contains(s, ":") {
		return nil, false
	}
	var b []byte
	for part := range strings.SplitSeq(s, ":") {
		n, err := strconv.ParseUint(part, 16, 8)
		if err != nil || len(part) > 2 || len(b) == maxLLA {
			return nil, false
		}
		b = append(b, byte(n))
	}
	return b, true
}

// validIfname reports whether s can be the name of an interface: netdevice(7)
// names have at most 15 characters and are used as file names.
func validIfname(s string) bool {
	if s == "" || len(s) > maxIfname || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '/' {
			return false
		}
	}
	return true
}

// duidEpoch is what DUID-LLT times count from (RFC 8415 §11.2):
// 2000-01-01 00:00 UTC, in Unix seconds.
const duidEpoch = 946684800

// duidTime is the time of a DUID-LLT: seconds modulo 2^32.
func duidTime(t time.Time) uint32 { return uint32(t.Unix() - duidEpoch) }

func appendLLT(b []byte, hwtype uint16, when uint32, addr []byte) []byte {
	b = append(b, 0, typeLLT)
	b = binary.BigEndian.AppendUint16(b, hwtype)
	b = binary.BigEndian.AppendUint32(b, when)
	return append(b, addr...)
}

func appendLL(b []byte, hwtype uint16, addr []byte) []byte {
	b = append(b, 0, typeLL)
	b = binary.BigEndian.AppendUint16(b, hwtype)
	return append(b, addr...)
}

// IsDUID reports whether s gives a DUID (or asks for the host's own), which is
// all that DHCPv6 takes.
func (s *Setting) IsDUID() bool {
	switch s.form {
	case formDefault, formDUID, formFixed, formLL, formLLT:
		return true
	}
	return false
}
