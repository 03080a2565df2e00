package dhcp4

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"daemonbox/core/timer"
)

const sec = timer.Time(time.Second)

var (
	thisBoot  = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	otherBoot = [16]byte{0xff}
	wall0     = time.Unix(1_700_000_000, 0)
)

func ackPacket(lease uint32, host string) []byte {
	return reply{
		yiaddr:  "192.0.2.10",
		options: tlv(53, "\x05") + tlv(54, ips("192.0.2.1")) + tlv(51, u32(lease)) + tlv(12, host),
	}.bytes()
}

func savedLease() *Saved {
	return &Saved{
		Current: ackPacket(3600, "new"), Original: ackPacket(3600, "first"), Start: 1000 * sec,
		HWType: 1, HWAddr: []byte{2, 0, 0, 0, 0, 1},
	}
}

// TestFileLayout holds the file to the octet: files outlive programs.
func TestFileLayout(t *testing.T) {
	s := &Saved{Current: []byte("packet"), Original: []byte("one"), Start: 1000*sec + 1, Adopted: true, HWType: 0x1234, HWAddr: []byte{0xa, 0xb}}
	got := s.AppendFile([]byte("x"), wall0.Add(999*time.Millisecond), 1010*sec, thisBoot)[1:]
	want := "44484331" + "0100" + "0200" +
		"f6f0536500000000" + // 1700000000 - 10
		"e803000000000000" +
		"0102030405060708090a0b0c0d0e0f10" +
		"34120000" + "02" + "0a0b" + strings.Repeat("00", 18) + "000000" +
		"0200" +
		"06000000" + hex.EncodeToString([]byte("packet")) +
		"03000000" + hex.EncodeToString([]byte("one"))
	raw, _ := hex.DecodeString(want)
	want += hex.EncodeToString(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(raw)))
	if diff := cmp.Diff(want, hex.EncodeToString(got)); diff != "" {
		t.Error(diff)
	}
}

func TestFileRoundTrip(t *testing.T) {
	s := savedLease()
	got, err := ParseFile(s.AppendFile(nil, wall0, 1010*sec, thisBoot), wall0.Add(time.Hour), 1020*sec, thisBoot)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Error(diff)
	}
	s.Original = s.Current
	got, err = ParseFile(s.AppendFile(nil, wall0, 1010*sec, thisBoot), wall0, 1020*sec, thisBoot)
	if err != nil || got.Original != nil {
		t.Errorf("one record: %v, %v", got, err)
	}
	s.Original, s.Adopted = nil, true
	got, err = ParseFile(s.AppendFile(nil, wall0, 1010*sec, thisBoot), wall0, 1020*sec, thisBoot)
	if err != nil || got.Original != nil || !got.Adopted {
		t.Errorf("adopted: %v, %v", got, err)
	}
}

// TestFileClocks: the file was written 10 s after the lease of an hour began, at
// 1010 s of the boot clock.
func TestFileClocks(t *testing.T) {
	const lease = 3600
	tests := []struct {
		name     string
		lease    uint32
		wall     time.Duration // since the file was written
		boot     timer.Time
		bootID   [16]byte
		start    timer.Time
		verify   bool
		wantFail error
	}{
		{"at once", lease, 0, 1010 * sec, thisBoot, 1000 * sec, false, nil},
		{"same boot, later", lease, 0, 1020*sec + 5, thisBoot, 1000 * sec, false, nil},
		{"same boot, clock set forward", lease, 1e6 * time.Second, 1020 * sec, thisBoot, 1000 * sec, false, nil},
		{"same boot, clock set back", lease, -1e6 * time.Second, 1020 * sec, thisBoot, 1000 * sec, false, nil},
		{"same boot, last second", lease, 0, 4599 * sec, thisBoot, 1000 * sec, false, nil},
		{"same boot, over", lease, 0, 4600 * sec, thisBoot, 0, false, ErrExpired},
		{"same boot, clock before the lease", lease, 0, 999 * sec, thisBoot, 999 * sec, true, nil},
		{"next boot", lease, 90 * time.Second, 20 * sec, otherBoot, -80 * sec, false, nil},
		{"next boot, part of a second", lease, 90*time.Second + 1, 20 * sec, otherBoot, -81 * sec, false, nil},
		{"next boot, over", lease, 3590 * time.Second, 20 * sec, otherBoot, 0, false, ErrExpired},
		{"next boot, just not over", lease, 3589 * time.Second, 20 * sec, otherBoot, -3579 * sec, false, nil},
		{"next boot, clock went back", lease, -11 * time.Second, 20 * sec, otherBoot, 20 * sec, true, nil},
		{"next boot, clock not set", lease, -1_700_000_000 * time.Second, 20 * sec, otherBoot, 20 * sec, true, nil},
		{"no boot id", lease, 90 * time.Second, 20 * sec, [16]byte{}, -80 * sec, false, nil},
		{"infinite", infinite, 1e9 * time.Second, 20 * sec, otherBoot, (20 - 1e9 - 10) * sec, false, nil},
		{"nearly infinite", infinite - 1, 4294967284 * time.Second, 20 * sec, otherBoot, 0, false, ErrExpired},
	}
	for _, tt := range tests {
		s := savedLease()
		s.Current = ackPacket(tt.lease, "new")
		got, err := ParseFile(s.AppendFile(nil, wall0, 1010*sec, thisBoot), wall0.Add(tt.wall), tt.boot, tt.bootID)
		if !errors.Is(err, tt.wantFail) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.wantFail)
		}
		if err == nil && (got.Start != tt.start || got.Verify != tt.verify) {
			t.Errorf("%s: start %v, verify %v, want %v, %v", tt.name, got.Start, got.Verify, tt.start, tt.verify)
		}
	}
	// A boot id of zeros says nothing, on both sides.
	b := savedLease().AppendFile(nil, wall0, 1010*sec, [16]byte{})
	if got, err := ParseFile(b, wall0.Add(90*time.Second), 20*sec, [16]byte{}); err != nil || got.Start != -80*sec {
		t.Errorf("no boot id: %v, %v", got, err)
	}
}

// seal puts a right checksum under a changed file.
func seal(b []byte, change func([]byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	binary.LittleEndian.PutUint32(b[len(b)-4:], crc32.ChecksumIEEE(b[:len(b)-4]))
	return b
}

func TestFileRefused(t *testing.T) {
	good := savedLease().AppendFile(nil, wall0, 1010*sec, thisBoot)
	record := len(savedLease().Current)
	tests := map[string][]byte{
		"empty":                    nil,
		"magic of DHCPv6":          seal(good, func(b []byte) { b[3] = '6' }),
		"version 2":                seal(good, func(b []byte) { b[4] = 2 }),
		"unknown flag":             seal(good, func(b []byte) { b[6] = 1 }),
		"long hardware address":    seal(good, func(b []byte) { b[44] = 21 }),
		"longer hardware address":  seal(good, func(b []byte) { b[44] = 255 }),
		"octets after the address": seal(good, func(b []byte) { b[60] = 1 }),
		"hardware type":            seal(good, func(b []byte) { b[42] = 1 }),
		"no records":               seal(good, func(b []byte) { b[68] = 0 }),
		"one record and more":      seal(good, func(b []byte) { b[68] = 1 }),
		"three records":            seal(good, func(b []byte) { b[68] = 3 }),
		"record of nothing":        seal(good, func(b []byte) { copy(b[70:], "\x00\x00\x00\x00") }),
		"record too long":          seal(good, func(b []byte) { copy(b[70:], "\xff\xff\x00\x00") }),
		"record of 4 GiB":          seal(good, func(b []byte) { copy(b[70:], "\xff\xff\xff\xff") }),
		"rest":                     seal(append(bytes.Clone(good), 0), func([]byte) {}),
		"too large":                seal(append(bytes.Clone(good), make([]byte, MaxFile)...), func([]byte) {}),
		"request":                  seal(good, func(b []byte) { b[74] = 1 }),
		"OFFER":                    seal(good, func(b []byte) { b[74+offOptions+2] = 2 }),
		"BOOTP":                    seal(good, func(b []byte) { b[74+offCookie] = 0 }),
		"no address":               seal(good, func(b []byte) { copy(b[74+offYIAddr:], "\x00\x00\x00\x00") }),
		"no lease time":            seal(good, func(b []byte) { b[74+offOptions+9] = 99 }),
	}
	for name, b := range tests {
		if _, err := ParseFile(b, wall0, 1020*sec, thisBoot); !errors.Is(err, ErrFile) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	// Only the first record counts.
	bad2nd := seal(good, func(b []byte) { b[74+record+4] = 1 })
	if got, err := ParseFile(bad2nd, wall0, 1020*sec, thisBoot); err != nil || got.Original != nil || got.Current == nil {
		t.Errorf("bad second record: %v, %v", got, err)
	}
}

// TestFileDamage: no flipped bit and no missing end goes unnoticed.
func TestFileDamage(t *testing.T) {
	good := savedLease().AppendFile(nil, wall0, 1010*sec, thisBoot)
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			if _, err := ParseFile(b, wall0, 1020*sec, thisBoot); !errors.Is(err, ErrFile) {
				t.Fatalf("bit %d of octet %d: error %v", bit, i, err)
			}
		}
		if _, err := ParseFile(good[:i], wall0, 1020*sec, thisBoot); !errors.Is(err, ErrFile) {
			t.Fatalf("%d octets: error %v", i, err)
		}
	}
}

func TestFileSize(t *testing.T) {
	s := savedLease()
	s.Current = append(s.Current, make([]byte, 65535-len(s.Current))...)
	s.Original = append(s.Original, make([]byte, 65535-len(s.Original))...)
	b := s.AppendFile(nil, wall0, 1010*sec, thisBoot)
	got, err := ParseFile(b, wall0, 1020*sec, thisBoot)
	if len(b) > MaxFile || err != nil || len(got.Current) != 65535 || got.Original != nil {
		t.Errorf("%d octets, %v", len(b), err)
	}
}

// TestFileProperty: within a boot the start is kept to the second and never
// later; across boots the age is never taken for less than it is.
func TestFileProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		written := timer.Time(rapid.Int64Range(0, 1e18).Draw(t, "written"))
		age := rapid.Int64Range(0, 1e15).Draw(t, "age")
		later := time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "later"))
		wall := time.Unix(0, rapid.Int64Range(0, 2e18).Draw(t, "wall"))
		s := savedLease()
		s.Current, s.Start = ackPacket(infinite, "x"), written-timer.Time(age)
		b := s.AppendFile(nil, wall, written, thisBoot)
		same, err := ParseFile(b, wall.Add(later), written.Add(later), thisBoot)
		if err != nil || same.Verify || same.Start > s.Start || s.Start-same.Start >= sec {
			t.Fatalf("same boot: start %v, was %v: %v", same, s.Start, err)
		}
		boot := timer.Time(rapid.Int64Range(0, 1e15).Draw(t, "boot"))
		other, err := ParseFile(b, wall.Add(later), boot, otherBoot)
		want := boot - timer.Time(age) - timer.Time(later)
		if err != nil || other.Verify || other.Start > want || want-other.Start >= 3*sec {
			t.Fatalf("other boot: %v, want start %v: %v", other, want, err)
		}
	})
}

func FuzzLeaseFile(f *testing.F) {
	good := savedLease().AppendFile(nil, wall0, 1010*sec, thisBoot)
	f.Add(good, int64(0), int64(1020*sec), true)
	f.Add(good, int64(90), int64(20*sec), false)
	f.Add(good[:len(good)-5], int64(math.MinInt64), int64(math.MaxInt64-1), true)
	f.Add(seal(good, func(b []byte) { copy(b[8:24], "\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00\x80") }), int64(math.MaxInt64), int64(0), true)
	f.Fuzz(func(t *testing.T, b []byte, wall, boot int64, same bool) {
		if len(b) > fileOffRecords+4 { // get past the checksum
			b = seal(b, func([]byte) {})
		}
		if boot < 0 {
			return
		}
		id := otherBoot
		if same && len(b) >= fileOffRecords {
			id = [16]byte(b[fileOffBootID:])
		}
		now := timer.Time(boot)
		s, err := ParseFile(b, time.Unix(wall, 0), now, id)
		if err != nil {
			return
		}
		if s.Start > now {
			t.Fatalf("lease begins at %v, after %v", s.Start, now)
		}
		again, err := ParseFile(s.AppendFile(nil, wall0, now, thisBoot), wall0, now, thisBoot)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Current, s.Current) || !bytes.Equal(again.HWAddr, s.HWAddr) || again.HWType != s.HWType || again.Adopted != s.Adopted {
			t.Fatalf("%+v, was %+v", again, s)
		}
	})
}
