package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

// prefetchAtOnce is how many images are fetched at the same time.
const prefetchAtOnce = 3

func (a *app) gatewayPrefetch() *cobra.Command {
	var platforms []string
	c := &cobra.Command{
		Use: "prefetch IMAGE...", Short: "Fetch images into the gateway ahead of time", Args: cobra.MinimumNArgs(1),
		Long: `Fetch images into the gateway, with your rights and the organization's login, so that those
who pull them later don't wait for the registry. The exit code is 1 if one of them can't be
had.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			list := a.prefetchAll(cmd.Context(), c, wire.PrefetchRequest{OrganizationPath: at, Platform: strings.Join(platforms, ",")}, args)
			failed := false
			for _, p := range list {
				failed = failed || p.Error != nil
			}
			err = a.show(map[string]any{"images": list}, func(w io.Writer) { a.printPrefetched(w, list) })
			if err == nil && failed {
				return exitCode(exitFailed)
			}
			return err
		},
	}
	c.Flags().StringSliceVar(&platforms, "platform", nil, "only for this platform, such as linux/amd64 (may be given often; default: all)")
	return c
}

func (a *app) printPrefetched(w io.Writer, list []fairlead.PrefetchProgress) {
	var lines [][]string
	for _, p := range list {
		if p.Error != nil {
			lines = append(lines, []string{p.Image, "failed", "", ""})
			continue
		}
		lines = append(lines, []string{p.Image, "ready", byteCount(p.Size), short(p.Digest)})
	}
	rows(w, "", []string{"IMAGE", "STATE", "SIZE", "DIGEST"}, lines)
	for _, p := range list {
		if p.Error != nil {
			a.hint("%s %s", a.red("Error:"), printable(p.Error.Error()))
			if p.Error.Remedy != "" {
				a.hint("What to do: %s", printable(p.Error.Remedy))
			}
		}
	}
}

// prefetchAll fetches images, some at once, and gives what became of each.
func (a *app) prefetchAll(ctx context.Context, c *client.Client, req wire.PrefetchRequest, images []string) []fairlead.PrefetchProgress {
	v := a.newPrefetchView()
	out := make([]fairlead.PrefetchProgress, len(images))
	slots := make(chan struct{}, prefetchAtOnce)
	var all sync.WaitGroup
	for i, image := range images {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			one := req
			one.Image = image
			out[i] = prefetchOne(ctx, c, one, v.progress)
			v.finished(out[i])
		})
	}
	all.Wait()
	v.close()
	return out
}

func prefetchOne(ctx context.Context, c *client.Client, req wire.PrefetchRequest, tell func(string, fairlead.PrefetchProgress)) fairlead.PrefetchProgress {
	last := fairlead.PrefetchProgress{Image: req.Image}
	body, _, err := client.Get(ctx, c, wire.PrefetchImage, req)
	if err == nil {
		err = eachLine(body, func(p fairlead.PrefetchProgress) error {
			last = p
			tell(req.Image, p)
			return nil
		})
		_ = body.Close()
	}
	if err == nil && last.Error == nil && !last.Ready {
		err = cutOff("fetching " + req.Image)
	}
	if err != nil {
		last.Error = fairlead.AsError("fetching "+req.Image, err)
	}
	last.Image = req.Image
	return last
}

// prefetchView shows a bar for each image on a terminal, or a line for each quarter.
type prefetchView struct {
	app  *app
	mu   sync.Mutex
	bars *mpb.Progress
	bar  map[string]*mpb.Bar
	told map[string]int64
}

func (a *app) newPrefetchView() *prefetchView {
	v := &prefetchView{app: a, bar: map[string]*mpb.Bar{}, told: map[string]int64{}}
	if a.errTerminal {
		v.bars = mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(40), mpb.WithRefreshRate(150*time.Millisecond))
	}
	return v
}

func (v *prefetchView) progress(image string, p fairlead.PrefetchProgress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p.Size == 0 || p.Error != nil {
		return
	}
	if v.bars == nil {
		const quarters = 4
		if q := p.Done * quarters / p.Size; q > v.told[image] && q < quarters {
			v.told[image] = q
			v.app.hint("%s: %s of %s", printable(image), byteCount(p.Done), byteCount(p.Size))
		}
		return
	}
	if v.bar[image] == nil {
		v.bar[image] = newBar(v.bars, printable(image), p.Size)
	}
	v.bar[image].SetCurrent(p.Done)
}

// finished takes an image's bar away.
func (v *prefetchView) finished(p fairlead.PrefetchProgress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if b := v.bar[p.Image]; b != nil {
		b.Abort(true)
	}
	if v.bars == nil && p.Error == nil {
		v.app.hint("%s: %s", printable(p.Image), fmt.Sprintf("all of %s is there", byteCount(p.Size)))
	}
}

func (v *prefetchView) close() {
	if v.bars != nil {
		v.bars.Wait()
	}
}
