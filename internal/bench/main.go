// Command bench measures the gateway beside other pull-through caches, on this machine and
// in one run: Debian's docker-registry 2.8 and distribution 3 as proxies, and nginx with
// proxy_cache. Each is started fresh, with a directory of its own, for each workload, and
// asks an upstream that this program serves: as fast as the machine is, or behind a link
// with a limit of bytes a second and a delay for each request. The gateway logs in to it
// (Bearer), and its clients log in to the gateway; the others do neither.
//
// Run it with `make bench`. Figures of one machine can't be compared with those of
// another: what counts are the ratios.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"text/tabwriter"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == upstreamVerb {
		if err := upstreamMain(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench: upstream:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx)
	stop()
	os.Exit(code)
}

// result is one measurement.
type result struct {
	Workload string  `json:"workload"`
	Of       string  `json:"of"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	// Target is what the gateway has to reach, in words; Met whether it did. Empty beside
	// the gateway's own figure.
	Target string `json:"target,omitempty"`
	Met    bool   `json:"met,omitempty"`
	Note   string `json:"note,omitempty"`
}

func run(ctx context.Context) int {
	scale := flag.Float64("scale", 1, "size of the images; 1 is 1.5 GB")
	only := flag.String("only", "", "only workloads whose name matches this expression")
	format := flag.String("o", "table", "table or json")
	strict := flag.Bool("strict", false, "exit with 1 if a target is missed")
	soak := flag.Duration("soak", 0, "soak the gateway for so long, and do nothing else")
	binary := flag.String("binary", filepath.Join("bin", "fairlead"), "the fairlead that is measured")
	keep := flag.String("dir", "", "directory to work in (default: a temporary one)")
	flag.Parse()
	which, err := regexp.Compile(*only)
	if err != nil || *format != "table" && *format != "json" {
		fmt.Fprintln(os.Stderr, "bench: give -only an expression, and -o table or json")
		return 2
	}
	b, err := newBench(*keep, *binary, *scale, *soak)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	defer b.close()
	list := workloads()
	if *soak > 0 {
		list = []workload{{"soak", "10 clients pull images that change, twice as many as are kept", measureSoak}}
	}
	for _, w := range list {
		if ctx.Err() != nil || !which.MatchString(w.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "#", w.name+":", w.about)
		if err := w.measure(ctx, b); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", w.name, err)
			return 1
		}
	}
	return report(b.results, *format, *strict)
}

func report(list []result, format string, strict bool) int {
	missed := 0
	for _, r := range list {
		if r.Target != "" && !r.Met {
			missed++
		}
	}
	if format == "json" {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		_ = e.Encode(list) // whoever has closed the output needs none
	} else {
		t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "WORKLOAD\tOF\tMEASURED\tUNIT\tTARGET\tMET\tNOTE")
		for _, r := range list {
			met := ""
			if r.Target != "" {
				met = map[bool]string{true: "yes", false: "NO"}[r.Met]
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Workload, r.Of, number(r.Value), r.Unit, r.Target, met, r.Note)
		}
		_ = t.Flush()
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "%d targets were missed\n", missed)
		if strict {
			return 1
		}
	}
	return 0
}

func number(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
