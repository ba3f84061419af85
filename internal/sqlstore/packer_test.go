package sqlstore

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fairlead.dev/fairlead"
)

func TestPacker(t *testing.T) {
	t.Parallel()
	p, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	line := rapid.Custom(func(t *rapid.T) fairlead.LogLine {
		return fairlead.LogLine{
			At:     time.UnixMicro(rapid.Int64().Draw(t, "at")).UTC(),
			Stream: fairlead.Stream(rapid.String().Draw(t, "stream")),
			Text:   string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(line, 1, 20).Draw(t, "lines")
		first := rapid.Int64Range(1, 1<<40).Draw(t, "first")
		for i := range lines {
			lines[i].Seq = first + int64(i)
		}
		got, err := p.unpack(p.pack(lines), first, 0, math.MaxInt)
		if d := cmp.Diff(lines, got); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
	})
}

func TestChunk(t *testing.T) {
	t.Parallel()
	long := fairlead.LogLine{Text: strings.Repeat("x", chunkBytes/2)}
	for name, c := range map[string]struct {
		lines []fairlead.LogLine
		want  int
	}{
		"one":           {make([]fairlead.LogLine, 1), 1},
		"as many":       {make([]fairlead.LogLine, chunkLines), chunkLines},
		"one more":      {make([]fairlead.LogLine, chunkLines+1), chunkLines},
		"long":          {[]fairlead.LogLine{long, long, long}, 2},
		"longer than a": {[]fairlead.LogLine{{Text: strings.Repeat("x", 3*chunkBytes)}, long}, 1},
	} {
		if got := chunk(c.lines); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	p, err := newPacker()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add([]byte("\x02\x06stdout\x05hello"))
	f.Add([]byte("\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		lines, err := p.unpack(p.in.EncodeAll(raw, nil), 1, 0, math.MaxInt)
		if err != nil {
			return
		}
		again, err := p.unpack(p.pack(lines), 1, 0, math.MaxInt)
		if d := cmp.Diff(lines, again); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
		_, _ = p.unpack(raw, 1, 0, math.MaxInt) // must not panic
	})
}
