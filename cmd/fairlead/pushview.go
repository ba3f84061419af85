package main

import (
	"time"

	"github.com/vbauerster/mpb/v8"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// pushView shows how far the layers of a push are: a bar for each on a terminal, or a
// plain line for each that has come to its end.
type pushView struct {
	app    *app
	bars   *mpb.Progress
	layers map[fairlead.Digest]*mpb.Bar
	states map[fairlead.Digest]oci.TransferState
}

func (a *app) newPushView() *pushView {
	return &pushView{app: a, layers: map[fairlead.Digest]*mpb.Bar{}, states: map[fairlead.Digest]oci.TransferState{}}
}

// told hears of one blob.
func (v *pushView) told(t oci.Transfer) {
	old := v.states[t.Digest]
	v.states[t.Digest] = t.State
	if !v.app.errTerminal {
		if old != t.State && t.State != oci.Waiting && t.State != oci.Pushing {
			v.app.hint("layer %s: %s (%s)", short(t.Digest), said(t.State), byteCount(t.Size))
		}
		return
	}
	switch {
	case t.State == oci.Pushing && v.layers[t.Digest] == nil:
		if v.bars == nil {
			v.bars = mpb.New(mpb.WithOutput(v.app.err), mpb.WithWidth(40), mpb.WithRefreshRate(150*time.Millisecond))
		}
		v.layers[t.Digest] = newBar(v.bars, short(t.Digest), t.Size)
	case v.layers[t.Digest] != nil:
		v.layers[t.Digest].SetCurrent(t.Done)
	}
}

func said(s oci.TransferState) string {
	switch s {
	case oci.There:
		return "there already"
	case oci.Mounted:
		return "taken over"
	default:
		return string(s)
	}
}

// close takes the bars away.
func (v *pushView) close() {
	if v.bars == nil {
		return
	}
	for _, b := range v.layers {
		b.Abort(true)
	}
	v.bars.Wait()
	v.bars = nil
}
