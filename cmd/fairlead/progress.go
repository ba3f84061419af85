package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"fairlead.dev/fairlead"
)

// byteCount is a number of bytes as people say it.
func byteCount(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n)/unit, "kMGTPE"
	for value >= unit && len(units) > 1 {
		value, units = value/unit, units[1:]
	}
	return fmt.Sprintf("%.1f %cB", value, units[0])
}

// bar shows how far one transfer is: on a terminal only, and only if it is long enough
// for a person to wonder.
type bar struct {
	progress *mpb.Progress
	bar      *mpb.Bar
}

func (a *app) bar(name string, size int64) *bar {
	const small = 1 << 20
	if !a.errTerminal || size < small {
		return &bar{}
	}
	p := mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(40), mpb.WithRefreshRate(150*time.Millisecond))
	return &bar{progress: p, bar: newBar(p, name, size)}
}

func newBar(p *mpb.Progress, name string, size int64) *mpb.Bar {
	return p.AddBar(size, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(name+" ", decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.CountersKiloByte("% .1f / % .1f", decor.WCSyncSpace)))
}

func (b *bar) reader(r io.Reader) io.Reader {
	if b.bar == nil {
		return r
	}
	return b.bar.ProxyReader(r)
}

func (b *bar) done() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.progress.Wait()
	}
}

// pullView shows a run: its log lines, and while its image is pulled a bar for each
// layer on a terminal, or a plain line now and then.
type pullView struct {
	app    *app
	bars   *mpb.Progress
	layers map[fairlead.Digest]*mpb.Bar
	told   map[fairlead.Digest]string
	// failure is the log's last line that says why the run failed.
	failure string
}

func (a *app) newPullView() *pullView {
	return &pullView{app: a, layers: map[fairlead.Digest]*mpb.Bar{}, told: map[fairlead.Digest]string{}}
}

// progress shows how far the layers are.
func (v *pullView) progress(p *fairlead.Progress) {
	if p == nil || p.Phase != fairlead.PhasePull || len(p.Layers) == 0 {
		v.close()
		return
	}
	if !v.app.errTerminal {
		v.plain(p.Layers)
		return
	}
	if v.bars == nil {
		v.bars = mpb.New(mpb.WithOutput(v.app.err), mpb.WithWidth(40), mpb.WithRefreshRate(150*time.Millisecond))
	}
	for _, l := range p.Layers {
		b := v.layers[l.Digest]
		if b == nil {
			b = newBar(v.bars, short(l.Digest), l.Size)
			v.layers[l.Digest] = b
		}
		done := l.Done
		if l.State == "done" || l.State == "there" {
			done = l.Size
		}
		b.SetCurrent(done)
	}
}

// plain writes a line for each layer whose state is another.
func (v *pullView) plain(layers []fairlead.LayerProgress) {
	for _, l := range layers {
		if v.told[l.Digest] == l.State || l.State == "waiting" {
			continue
		}
		v.told[l.Digest] = l.State
		v.app.hint("layer %s: %s (%s)", short(l.Digest), strings.Replace(l.State, "there", "there already", 1), byteCount(l.Size))
	}
}

func short(d fairlead.Digest) string {
	_, hexed, _ := strings.Cut(string(d), ":")
	return hexed[:min(12, len(hexed))]
}

// line writes a line of the log: the command's own standard error to standard error,
// all else to standard output.
func (v *pullView) line(l fairlead.LogLine) {
	w := v.app.out
	switch {
	case l.Stream == fairlead.Stderr:
		w = v.app.err
	case l.Stream == fairlead.StatusStream && strings.HasPrefix(l.Text, fairlead.FailureLine):
		v.failure = l.Text
	}
	v.close()
	_, _ = fmt.Fprintln(w, printableLine(l.Text))
}

// printableLine lets a program's colours (ECMA-48, SGR) and tabs through, and nothing
// else that would move the cursor or speak to the terminal.
func printableLine(s string) string {
	var b strings.Builder
	for s != "" {
		if n := colour(s); n > 0 {
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		if r != '\t' && (r < ' ' || 0x7f <= r && r < 0xa0) {
			r = '\uFFFD'
		}
		b.WriteRune(r)
		s = s[n:]
	}
	return b.String()
}

// colour is the length of the colour sequence that s begins with, 0 if none.
func colour(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		if s[i] == 'm' {
			return i + 1
		}
		if (s[i] < '0' || s[i] > '9') && s[i] != ';' {
			return 0
		}
	}
	return 0
}

// close takes the bars away.
func (v *pullView) close() {
	if v.bars == nil {
		return
	}
	for _, b := range v.layers {
		b.Abort(true)
	}
	v.bars.Wait()
	v.bars = nil
	clear(v.layers)
}
