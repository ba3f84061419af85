package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) registryImages() *cobra.Command {
	var repository string
	var limit int
	var within time.Duration
	c := &cobra.Command{
		Use: "images NAME", Short: "List the images of a registry's repository", Args: cobra.ExactArgs(1),
		Long: `List the images of a repository that a registry entry covers: those with the highest tags,
their digests, platforms and sizes. What goes wrong with one stands in its row, and the
exit code is 1 then.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.listImages(cmd.Context(), wire.ImagesRequest{Registry: fairlead.Name(args[0]), Repository: repository, Limit: limit}, within)
		},
	}
	c.Flags().StringVar(&repository, "repository", "", "the repository, HOST/PATH (default: the one that the entry names)")
	imageFlags(c, &limit, &within)
	return c
}

// imageFlags bound a list of images.
func imageFlags(c *cobra.Command, limit *int, within *time.Duration) {
	c.Flags().IntVar(limit, "limit", 20, "how many images to describe")
	if within != nil {
		c.Flags().DurationVar(within, "timeout", 20*time.Second, "how long the registry may take for all of them")
	}
}

// listImages lists a repository's images.
func (a *app) listImages(ctx context.Context, req wire.ImagesRequest, within time.Duration) error {
	switch {
	case within < time.Second || within > 5*time.Minute:
		return usage("--timeout %s is out of range: give 1s to 5m", within)
	case req.Limit < 1 || req.Limit > 200:
		return usage("--limit %d is out of range: give 1 to 200", req.Limit)
	}
	c, at, err := a.inOrg(ctx)
	if err != nil {
		return err
	}
	req.OrganizationPath, req.Timeout = at, int((within+time.Second-1)/time.Second)
	if a.errTerminal {
		a.hint("Asking the registry for up to %s ...", counted(req.Limit, "image"))
	}
	found, err := client.Do(ctx, c, wire.ListImages, req)
	if err != nil {
		return err
	}
	if err := a.show(found, func(w io.Writer) { a.printImages(w, found) }); err != nil {
		return err
	}
	for _, i := range found.Images {
		if i.Error != nil {
			return exitCode(exitFailed)
		}
	}
	return nil
}

func (a *app) printImages(w io.Writer, found fairlead.Images) {
	var table [][]string
	remedies := map[string]bool{}
	for _, i := range found.Images {
		var platforms, sizes []string
		for _, p := range i.Parts {
			size := "-"
			if p.Bytes > 0 {
				size = byteCount(p.Bytes)
			}
			platforms, sizes = append(platforms, dashed(p.Platform)), append(sizes, size)
		}
		if i.MoreParts > 0 {
			platforms = append(platforms, fmt.Sprintf("%d more", i.MoreParts))
		}
		detail := ""
		if i.Error != nil {
			detail = "FAULT: " + i.Error.Error()
			remedies[i.Error.Remedy] = true
		}
		table = append(table, []string{i.Tag, short(i.Digest), strings.Join(platforms, ", "), strings.Join(sizes, ", "), a.ago(i.Built), detail})
	}
	rows(w, "Repository "+printable(found.Repository)+" has no tags.", []string{"TAG", "DIGEST", "PLATFORMS", "SIZE", "BUILT", "DETAIL"}, table)
	if shown := len(found.Images); found.More || shown < found.Tags {
		count := fmt.Sprint(found.Tags)
		if found.More {
			count = "more than " + count
		}
		a.hint("These are %d of %s tags, the highest first; --limit shows others.", shown, count)
	}
	for r := range remedies {
		if r != "" {
			a.hint("What to do: %s", printable(r))
		}
	}
}

func dashed(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
