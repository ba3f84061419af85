package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

// pruneFlags say what is to go.
type pruneFlags struct {
	data, to, unusedFor, registry, image string
	dryRun                               bool
}

func (a *app) gatewayPrune() *cobra.Command {
	var f pruneFlags
	c := &cobra.Command{
		Use: "prune", Short: "Let go of images that the gateway keeps", Args: cobra.NoArgs,
		Long: `Let go of images that the gateway keeps for the organization, the one first that wasn't used
for the longest time. What is pinned stays, and so does what is being served. Images that
are needed again are fetched again. With --data, on the server's machine: of all
organizations.`,
		Example: `  fairlead gateway prune --to 50GB
  fairlead gateway prune --unused-for 30d --registry docker.io
  fairlead gateway prune --image registry.example.com/team/train --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := f.request()
			if err != nil {
				return err
			}
			out, err := a.prune(cmd.Context(), f.data, req)
			if err != nil {
				return err
			}
			return a.show(out, func(w io.Writer) {
				verb := "Let go of"
				if out.DryRun {
					verb = "This would let go of"
				}
				_, _ = fmt.Fprintf(w, "%s %s: %s in %s. %s are left.\n", verb, counted(len(out.Images), "image"), byteCount(out.Bytes), counted(out.Blobs, "blob"), byteCount(out.Left))
			})
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.to, "to", "", "until no more than this is left, such as 50GB")
	fl.StringVar(&f.unusedFor, "unused-for", "", "images that weren't used for this long, such as 30d or 12h")
	fl.StringVar(&f.registry, "registry", "", "images of this registry's host")
	fl.StringVar(&f.image, "image", "", "images of this repository, or one by its tag or digest")
	fl.BoolVar(&f.dryRun, "dry-run", false, "say what would go, and let go of nothing")
	addData(c, &f.data)
	return c
}

func (f pruneFlags) request() (wire.PruneRequest, error) {
	req := wire.PruneRequest{Registry: f.registry, Image: f.image, DryRun: f.dryRun}
	if f.to == "" && f.unusedFor == "" && f.registry == "" && f.image == "" {
		return req, usage("say what is to go: --to, --unused-for, --registry or --image")
	}
	if f.to != "" {
		n, err := units.FromHumanSize(f.to)
		if err != nil || n < 0 {
			return req, usage("--to %q is no size: give one such as 50GB", f.to)
		}
		req.To = strconv.FormatInt(n, 10)
	}
	if f.unusedFor != "" {
		d, err := readSpan(f.unusedFor)
		if err != nil || d < time.Second {
			return req, usage("--unused-for %q is no time: give one such as 30d or 12h", f.unusedFor)
		}
		req.UnusedFor = int64(d / time.Second)
	}
	return req, nil
}

// readSpan reads a length of time that may be in days.
func readSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		const most = 100 * 366
		if err != nil || n > most {
			return 0, errors.New("no number of days")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(s)
}

// prune has images pruned, and tells of each.
func (a *app) prune(ctx context.Context, data string, req wire.PruneRequest) (fairlead.GatewayPruned, error) {
	var body io.ReadCloser
	var c *client.Client
	var err error
	if data != "" {
		if c, err = a.operator(ctx, data); err == nil {
			body, _, err = client.Get(ctx, c, wire.OperatePrune, req)
		}
	} else {
		var at wire.OrganizationPath
		if c, at, err = a.inOrg(ctx); err == nil {
			body, _, err = client.Get(ctx, c, wire.PruneGateway, wire.PruneGatewayRequest{OrganizationPath: at, PruneRequest: req})
		}
	}
	if err != nil {
		return fairlead.GatewayPruned{}, err
	}
	defer func() { _ = body.Close() }()
	var out *fairlead.GatewayPruned
	err = eachLine(body, func(l wire.PruneLine) error {
		switch {
		case l.Error != nil:
			return l.Error
		case l.Image != nil && a.format == "table":
			a.hint("%s (%s, used %s)", printable(l.Image.Name()), byteCount(l.Image.Size), a.ago(l.Image.Used))
		case l.Pruned != nil:
			out = l.Pruned
		}
		return nil
	})
	if err == nil && out == nil {
		err = cutOff("pruning")
	}
	if err != nil {
		return fairlead.GatewayPruned{}, err
	}
	return *out, nil
}

// eachLine reads a reply of a line of JSON each.
func eachLine[T any](r io.Reader, do func(T) error) error {
	for d := json.NewDecoder(r); ; {
		var one T
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return &fairlead.Error{Kind: fairlead.Unavailable, What: "reading the server's reply", Why: "it was cut off", Remedy: "try again"}
		}
		if err := do(one); err != nil {
			return err
		}
	}
}

func cutOff(what string) error {
	return &fairlead.Error{Kind: fairlead.Unavailable, What: what, Why: "the server's reply was cut off", Remedy: "try again"}
}

func (a *app) gatewayPin() *cobra.Command {
	var platforms []string
	c := &cobra.Command{
		Use: "pin IMAGE", Short: "Keep an image in the gateway until it is unpinned", Args: cobra.ExactArgs(1),
		Long: `Keep an image that the gateway has: its manifest and its blobs aren't evicted or pruned. It
is what the name stands for now: when a tag moves, the image that was pinned stays pinned by
its digest.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			p, err := client.Do(cmd.Context(), c, wire.PinImage, wire.PinRequest{OrganizationPath: at, Image: args[0], Platforms: platforms})
			if err != nil {
				return err
			}
			return a.show(p, func(w io.Writer) {
				of := ""
				if len(p.Platforms) > 0 {
					of = " for " + strings.Join(p.Platforms, ", ")
				}
				_, _ = fmt.Fprintf(w, "Pinned %s%s: %s in %s.\n", printable(p.Image), of, byteCount(p.Bytes), counted(p.Blobs, "blob"))
			})
		},
	}
	c.Flags().StringSliceVar(&platforms, "platform", nil, "only for this platform, such as linux/amd64 (may be given often; default: all that are there)")
	return c
}

func (a *app) gatewayUnpin() *cobra.Command {
	return &cobra.Command{
		Use: "unpin IMAGE", Short: "Let an image go when others need its room", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			p, err := client.Do(cmd.Context(), c, wire.UnpinImage, wire.UnpinRequest{OrganizationPath: at, Image: args[0]})
			if err != nil {
				return err
			}
			return a.show(p, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Unpinned %s: %s in %s.\n", printable(p.Image), byteCount(p.Bytes), counted(p.Blobs, "blob"))
			})
		},
	}
}
