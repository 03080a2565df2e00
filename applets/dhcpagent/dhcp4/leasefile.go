package dhcp4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"time"

	"daemonbox/core/timer"
)

// The layout of a lease file. All integers are little-endian, so that a file
// means the same on every machine:
//
//	 0  4  magic "DHC1"
//	 4  2  version, 1
//	 6  2  flags: bit 1 = adopted from a boot loader
//	 8  8  wall clock, seconds since 1970, at which the lease began
//	16  8  CLOCK_BOOTTIME seconds at the same moment
//	24 16  boot id of the kernel, /proc/sys/kernel/random/boot_id
//	40  4  ARPHRD type of the link
//	44  1  length of its hardware address, 0..20
//	45 20  the address; up to 68 zeros
//	68  2  number of records, 1 or 2
//	70     records: length (4 octets, 1..65535) and a BOOTP payload. First the
//	       newest ACK, then the first of the lease if that is another
//	end 4  CRC-32 (IEEE 802.3) of all before
const (
	fileMagic   = "DHC1"
	fileVersion = 1
	fileAdopted = 1 << 1

	fileOffFlags   = 6
	fileOffWall    = 8
	fileOffBoot    = 16
	fileOffBootID  = 24
	fileOffHWType  = 40
	fileOffHWLen   = 44
	fileOffHWAddr  = 45
	fileOffCount   = 68
	fileOffRecords = 70

	fileMaxHW     = 20
	fileMaxRecord = 0xffff
)

// MaxFile is the largest file ParseFile looks at; AppendFile leaves the second
// record out where both are too much.
const MaxFile = 128 << 10

// The reasons to refuse a lease file.
var (
	// ErrFile: not such a file, damaged, or its first message is no usable ACK.
	ErrFile = errors.New("lease file damaged or of another kind")
	// ErrExpired: the lease is over, the file can go.
	ErrExpired = errors.New("saved lease is over")
)

// AppendFile appends the file that keeps s. wall and boot are the same moment on
// the two clocks, bootID is the kernel's name of this boot (zero if not known).
// The file holds the lease's beginning on both clocks, in whole seconds rounded
// to the past.
func (s *Saved) AppendFile(b []byte, wall time.Time, boot timer.Time, bootID [16]byte) []byte {
	start := len(b)
	var h [fileOffRecords]byte
	copy(h[:], fileMagic)
	le := binary.LittleEndian
	le.PutUint16(h[4:], fileVersion)
	if s.Adopted {
		le.PutUint16(h[fileOffFlags:], fileAdopted)
	}
	le.PutUint64(h[fileOffWall:], uint64(wall.Add(-boot.Sub(s.Start)).Unix()))
	le.PutUint64(h[fileOffBoot:], uint64(floorSeconds(s.Start)))
	copy(h[fileOffBootID:], bootID[:])
	le.PutUint32(h[fileOffHWType:], uint32(s.HWType))
	h[fileOffHWLen] = uint8(copy(h[fileOffHWAddr:fileOffHWAddr+fileMaxHW], s.HWAddr))
	two := len(s.Original) > 0 && !bytes.Equal(s.Original, s.Current) &&
		fileOffRecords+4+len(s.Current)+4+len(s.Original)+4 <= MaxFile
	h[fileOffCount] = 1
	if two {
		h[fileOffCount] = 2
	}
	b = append(b, h[:]...)
	b = appendRecord(b, s.Current)
	if two {
		b = appendRecord(b, s.Original)
	}
	return le.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

func appendRecord(b, packet []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(packet)))
	return append(b, packet...)
}

// floorSeconds rounds to the past; Start lies before the boot at times.
func floorSeconds(t timer.Time) int64 {
	s := int64(t) / int64(time.Second)
	if int64(t)%int64(time.Second) < 0 {
		s--
	}
	return s
}

// ParseFile reads a file made by AppendFile; wall, boot and bootID are those of
// now. The result shares memory with b. Its Start lies as far before boot as the
// lease is old: by CLOCK_BOOTTIME within one boot, by the wall clock across
// boots. A clock that went backwards makes the lease brand-new, and Verify is
// set.
func ParseFile(b []byte, wall time.Time, boot timer.Time, bootID [16]byte) (*Saved, error) {
	s, err := decodeFile(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrFile, err)
	}
	lease, ok := fileLease(s.Current)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrFile, errFileACK)
	}
	if s.Original != nil {
		if _, ok := fileLease(s.Original); !ok {
			s.Original = nil // it only helps to look up options
		}
	}
	elapsed, backwards := fileElapsed(b, wall, boot, bootID)
	s.Verify = backwards
	if lease != infinite && elapsed >= int64(lease) {
		return nil, ErrExpired
	}
	s.Start = boot.Add(-time.Duration(elapsed) * time.Second)
	if sameBoot(b, bootID) && !backwards && elapsed < infinite {
		// Not the rounded difference: the start is the same however often the
		// file is read.
		s.Start = timer.Time(int64(binary.LittleEndian.Uint64(b[fileOffBoot:])) * int64(time.Second))
	}
	return s, nil
}

// infinite is the lease time that does not end (RFC 2131 §3.3).
const infinite = 0xffffffff

// fileError says what is wrong with a file.
type fileError string

const (
	errFileSize    fileError = "size"
	errFileMagic   fileError = "magic or version"
	errFileCRC     fileError = "checksum"
	errFileHeader  fileError = "header"
	errFileRecords fileError = "records"
	errFileACK     fileError = "no usable ACK"
)

func (e fileError) Error() string { return string(e) }

// decodeFile checks the file and takes it apart.
func decodeFile(b []byte) (*Saved, error) {
	le := binary.LittleEndian
	n := len(b) - 4
	switch {
	case n < fileOffRecords || len(b) > MaxFile:
		return nil, errFileSize
	case string(b[:4]) != fileMagic || le.Uint16(b[4:]) != fileVersion:
		return nil, errFileMagic
	case crc32.ChecksumIEEE(b[:n]) != le.Uint32(b[n:]):
		return nil, errFileCRC
	}
	hwEnd := fileOffHWAddr + int(b[fileOffHWLen])
	flags, hwType := le.Uint16(b[fileOffFlags:]), le.Uint32(b[fileOffHWType:])
	if flags&^fileAdopted != 0 || hwType > 0xffff || b[fileOffHWLen] > fileMaxHW || !allZero(b[hwEnd:fileOffCount]) {
		return nil, errFileHeader
	}
	s := &Saved{Adopted: flags != 0, HWType: uint16(hwType), HWAddr: b[fileOffHWAddr:hwEnd:hwEnd]}
	records := b[fileOffRecords:n]
	var ok bool
	switch le.Uint16(b[fileOffCount:]) {
	case 1:
		s.Current, records, ok = cutRecord(records)
	case 2:
		if s.Current, records, ok = cutRecord(records); ok {
			s.Original, records, ok = cutRecord(records)
		}
	}
	if !ok || len(records) != 0 {
		return nil, errFileRecords
	}
	return s, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// cutRecord takes the first record off b.
func cutRecord(b []byte) (packet, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > fileMaxRecord || uint64(n) > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n : 4+n], b[4+n:], true
}

// fileLease returns the lease time of a saved message; false unless it is an
// ACK with a lease. BOOTP replies are never saved.
func fileLease(packet []byte) (uint32, bool) {
	var m Message
	if Parse(&m, packet, netip.AddrPort{}, false) != DropNone || m.Type != typeAck || !ValidAddr(m.YIAddr, true) {
		return 0, false
	}
	return m.Uint32(optLeaseTime)
}

// sameBoot reports whether the file was written in this boot. A boot id that
// could not be read is zero and equals nothing.
func sameBoot(b []byte, bootID [16]byte) bool {
	return bootID != [16]byte{} && [16]byte(b[fileOffBootID:]) == bootID
}

// fileElapsed returns the age of the lease in seconds, rounded up, and whether a
// clock went backwards.
func fileElapsed(b []byte, wall time.Time, boot timer.Time, bootID [16]byte) (int64, bool) {
	le := binary.LittleEndian
	then, now := int64(le.Uint64(b[fileOffWall:])), wall.Unix()
	if wall.Nanosecond() > 0 {
		now++
	}
	if sameBoot(b, bootID) {
		then = int64(le.Uint64(b[fileOffBoot:]))
		now = -floorSeconds(-boot)
	}
	if then > now {
		return 0, true
	}
	// The CRC holds against accidents, not against strange clocks: 2^32 seconds
	// are more than any finite lease and far from an overflow in ParseFile.
	return int64(min(uint64(now)-uint64(then), infinite)), false
}
