package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func FuzzFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 1})
	f.Add(framed(ping))
	f.Add(append(framed(ping), framed("{}")...))
	f.Add(framed(ping)[:9])
	f.Fuzz(func(t *testing.T, b []byte) {
		rest, total := b, 0
		for {
			body, after, err := nextFrame(rest, MaxRequest)
			if err != nil || body == nil {
				if len(after) != len(rest) {
					t.Fatal("octets lost")
				}
				break
			}
			if len(body) == 0 || len(body) > MaxRequest {
				t.Fatalf("body of %d octets", len(body))
			}
			if !bytes.Equal(appendFrame(nil, body), rest[:headLen+len(body)]) {
				t.Fatal("not what was read")
			}
			total += headLen + len(body)
			rest = after
		}
		if total+len(rest) != len(b) {
			t.Fatal("octets lost")
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(ping))
	f.Add([]byte(`{"v":1,"id":-1,"cmd":"start","netns":"x","if":"eth0","family":4,"timeout_ms":-1,"args":{"a":[1]}}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"id":1e3,"cmd":"\ud800"}`))
	f.Add([]byte(`{"v":1,"id":1,"cmd":"x","if":"../x"}`))
	f.Add([]byte(strings.Repeat(`{"v":`, 2000)))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRequest(b)
		var proto *protoError
		if err != nil && !errors.As(err, &proto) && !errors.Is(err, errNotObject) {
			t.Fatalf("strange error %v", err)
		}
		if r.id != nil && !json.Valid(r.id) {
			t.Fatalf("id %q", r.id)
		}
		if err != nil {
			if proto != nil && !strings.HasPrefix(proto.text, "member ") {
				t.Fatalf("no member named: %s", proto.text)
			}
			return
		}
		if r.id == nil || r.cmd == "" || !utf8.ValidString(r.cmd) {
			t.Fatalf("%+v", r)
		}
		for _, s := range []string{r.ifname, r.netns} {
			if strings.ContainsAny(s, "/ \n\x00") || s == "." || s == ".." {
				t.Fatalf("name %q", s)
			}
		}
		if r.args != nil && !json.Valid(r.args) {
			t.Fatalf("args %q", r.args)
		}
	})
}

// Dropping events never drops a frame that has begun, and the sizes stay true.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var want []byte // what a reader that gets everything sees
		var frames []frame
		off := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				f := frame{rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "data"), rapid.Bool().Draw(t, "event")}
				q.push(f.data, f.event)
				frames = append(frames, f)
			},
			"send": func(t *rapid.T) {
				if q.size == 0 {
					t.Skip()
				}
				b := q.head(rapid.IntRange(1, 12).Draw(t, "limit"))
				if d := cmp.Diff(frames[0].data[off:off+len(b)], b); d != "" {
					t.Fatal(d)
				}
				want = append(want, b...)
				q.sent(len(b))
				if off += len(b); off == len(frames[0].data) {
					frames, off = frames[1:], 0
				}
			},
			"drop": func(t *rapid.T) {
				var kept []frame
				n := 0
				for i, f := range frames {
					if f.event && !(i == 0 && off > 0) {
						n++
						continue
					}
					kept = append(kept, f)
				}
				frames = kept
				if got := q.dropEvents(); got != n {
					t.Fatalf("%d dropped, not %d", got, n)
				}
			},
			"": func(t *rapid.T) {
				size := -off
				for _, f := range frames {
					size += len(f.data)
				}
				if q.size != size {
					t.Fatalf("size %d, not %d", q.size, size)
				}
			},
		})
	})
}
