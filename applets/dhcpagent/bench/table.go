package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// series are the measurements of one client for one figure. What did not
// happen in time counts as never.
type series []time.Duration

// never stands for what did not happen within the limit.
const never = time.Duration(1<<63 - 1)

// median returns the middle of the measurements.
func (s series) median() time.Duration {
	if len(s) == 0 {
		return 0
	}
	t := slices.Sorted(slices.Values(s))
	if len(t)%2 == 1 || t[len(t)/2] == never {
		return t[len(t)/2]
	}
	return (t[len(t)/2-1] + t[len(t)/2]) / 2
}

// worst returns the longest.
func (s series) worst() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return slices.Max(s)
}

// columns of the table: ours and the peers.
var columns = []string{ours, "udhcpc", "dhclient", "dhcpcd"}

const ours = "dhcpagent"

// row is one figure.
type row struct {
	name  string
	cells map[string]string
	ratio string // ours to the best peer's
	due   string
	met   bool
	open  bool // there is nothing that has to be met
	note  string
}

// table collects the rows.
type table struct{ rows []row }

// limit is what a figure must reach: at most an absolute time, or a part of
// the best peer's, or both.
type limit struct {
	most  time.Duration
	ratio float64
}

func (l limit) String() string {
	var s []string
	if l.most > 0 {
		s = append(s, "≤ "+format(l.most))
	}
	if l.ratio > 0 {
		s = append(s, fmt.Sprintf("≤ %.2f × best", l.ratio))
	}
	return strings.Join(s, ", ")
}

// addTimes adds a row of times.
func (t *table) addTimes(name string, got map[string]series, due limit, notes ...string) {
	r := row{name: name, cells: map[string]string{}, due: due.String(), met: true, note: strings.Join(notes, "; ")}
	best := never
	for c, s := range got {
		r.cells[c] = format(s.median())
		if c != ours && s.median() < best {
			best = s.median()
		}
	}
	mine := got[ours].median()
	if best != never && best > 0 {
		r.ratio = fmt.Sprintf("%.2f", float64(mine)/float64(best))
	}
	if due.most > 0 && mine > due.most {
		r.met = false
	}
	if due.ratio > 0 && (best == never || float64(mine) > due.ratio*float64(best)) {
		r.met = false
	}
	r.open = due == limit{}
	if n := len(got[ours]); n > 1 {
		r.note = strings.TrimPrefix(r.note+fmt.Sprintf("; n=%d, worst %s", n, format(got[ours].worst())), "; ")
	}
	t.rows = append(t.rows, r)
}

// addText adds a row of other values.
func (t *table) addText(name string, cells map[string]string, due string, met bool, note string) {
	t.rows = append(t.rows, row{name: name, cells: cells, due: due, met: met, open: due == "", note: note})
}

// format prints a time with three digits.
func format(d time.Duration) string {
	switch {
	case d == never:
		return "never"
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 100*time.Millisecond:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f ms", float64(d)/1e6)
}

// print writes the table.
func (t *table) print(w io.Writer) {
	head := append(append([]string{"figure"}, columns...), "ratio", "due", "", "")
	lines := [][]string{head}
	for _, r := range t.rows {
		line := []string{r.name}
		for _, c := range columns {
			cell := r.cells[c]
			if cell == "" {
				cell = "-"
			}
			line = append(line, cell)
		}
		verdict := "met"
		switch {
		case r.open:
			verdict = ""
		case !r.met:
			verdict = "MISSED"
		}
		lines = append(lines, append(line, r.ratio, r.due, verdict, r.note))
	}
	width := make([]int, len(head))
	for _, l := range lines {
		for i, c := range l {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, l := range lines {
		var b strings.Builder
		for i, c := range l {
			b.WriteString(c)
			if i < len(l)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-len([]rune(c))+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
