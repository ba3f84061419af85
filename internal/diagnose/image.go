package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

func (w *walk) imageOf(context.Context) fairlead.Probe {
	switch {
	case w.stood || w.image.Repository == "":
		return notTried("no image is named: " + nameAnImage)
	case w.denied != nil:
		return w.failed(w.formerRegistry(w.denied))
	}
	if w.image.Digest != "" {
		return ok("the digest is there")
	}
	return ok("tag %s is %s", w.image.Tag, w.examined.Top.Digest)
}

// formerRegistry adds to what isn't there that its host's service has ended: Container
// Registry was shut down on 2025-03-18, and its hosts are Artifact Registry's now.
func (w *walk) formerRegistry(err error) error {
	if !IsFormerGCR(w.image.Host) {
		return err
	}
	e := *fairlead.AsError("resolving "+w.image.String(), err)
	e.Why += "; Google's Container Registry was shut down on 2025-03-18: gcr.io has only what was moved to Artifact Registry"
	e.Remedy = "move the project's images to Artifact Registry (`gcloud artifacts docker upgrade migrate`), or use their name there: LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE"
	return &e
}

// IsFormerGCR knows the hosts of Google's former Container Registry.
func IsFormerGCR(host string) bool {
	return slices.Contains([]string{"gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"}, host)
}

// platforms gives those of the workers that could run the project's runs, and which
// workers they are of.
func (d *Doctor) platforms(ctx context.Context, org fairlead.OrganizationID) ([]string, map[string][]string, error) {
	all, err := d.Store.WorkersOf(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	if org != "" {
		own, err := d.Store.WorkersOf(ctx, org)
		if err != nil {
			return nil, nil, err
		}
		all = append(own, all...)
	}
	var list []string
	of := map[string][]string{}
	for _, k := range all {
		if k.Platform == "" {
			continue
		}
		if len(of[k.Platform]) == 0 {
			list = append(list, k.Platform)
		}
		of[k.Platform] = append(of[k.Platform], string(k.Name))
	}
	return list, of, nil
}

// usual is the platform that is looked for where no worker is known.
const usual = "linux/amd64"

func (w *walk) platform(ctx context.Context) fairlead.Probe {
	if w.stood || w.image.Repository == "" {
		return notTried("no image is named")
	}
	list, of, err := w.d.platforms(ctx, w.q.Asker.Project.Organization)
	if err != nil {
		return w.failed(err)
	}
	known := len(list) > 0
	if !known {
		list = []string{usual}
	}
	var runs, lacks []string
	var why error
	for _, p := range list {
		found, err := w.d.Registries.Image(ctx, fixed(w.lease), w.pinned(), oci.ParsePlatform(p))
		switch {
		case err == nil:
			runs = append(runs, p)
			if w.layers == nil {
				w.layers = found.Layers
			}
		case fairlead.CodeOf(err) == fairlead.CodePlatform:
			lacks, why = append(lacks, p), err
		default:
			return w.failed(err)
		}
	}
	switch {
	case !known && len(lacks) > 0:
		return warning("no worker is known yet; "+fairlead.AsError("", why).Why, fairlead.AsError("", why).Remedy)
	case !known:
		return ok("it is there for %s; no worker is known yet", usual)
	case len(runs) == 0:
		return w.failed(why)
	case len(lacks) > 0:
		var names []string
		for _, p := range lacks {
			names = append(names, fmt.Sprintf("%s (%s)", strings.Join(of[p], ", "), p))
		}
		return warning("it is there for "+strings.Join(runs, ", ")+", and not for the workers "+strings.Join(names, "; "),
			"build it for those platforms too, or have its runs performed by the other workers")
	}
	return ok("it is there for the workers' platforms: %s", strings.Join(runs, ", "))
}

// pinned is the image by the digest that its name stands for just now.
func (w *walk) pinned() ref.Image {
	i := w.image
	i.Digest = string(w.examined.Top.Digest)
	return i
}

// lastRuns is how many runs are looked at for how quickly images come.
const lastRuns = 50

// telling is the least that a pull must have fetched to say something about speed.
const telling = 1 << 20

func (w *walk) size(ctx context.Context) fairlead.Probe {
	if w.layers == nil {
		return notTried("the layers are not known")
	}
	var total int64
	for _, l := range w.layers {
		total += l.Size
	}
	detail := fmt.Sprintf("%s in %d layers", bytes(total), len(w.layers))
	if w.q.Asker.Project.ID == "" {
		return ok("%s to fetch at most", detail)
	}
	list, err := w.d.Store.RunsOf(ctx, w.q.Asker.Project.ID, 0, lastRuns)
	if err != nil {
		return w.failed(err)
	}
	var speeds []float64
	for _, r := range list {
		if p := r.Pulled; p != nil && p.Bytes >= telling && p.Took > 0 {
			speeds = append(speeds, float64(p.Bytes)/p.Took.Seconds())
		}
	}
	if len(speeds) == 0 {
		return ok("%s to fetch at most; no earlier pull of the project says how long that takes", detail)
	}
	slices.Sort(speeds)
	speed := speeds[len(speeds)/2]
	took := time.Duration(float64(total) / speed * float64(time.Second)).Round(time.Second)
	return ok("%s to fetch at most: about %s at the %s a second of the project's earlier pulls", detail, max(took, time.Second), bytes(int64(speed)))
}

// bytes is a number of bytes as people say it.
func bytes(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	v, names := float64(n)/unit, []string{"kB", "MB", "GB", "TB"}
	for len(names) > 1 && v >= unit {
		v, names = v/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %s", v, names[0])
}

func (w *walk) limit(context.Context) fairlead.Probe {
	l := w.examined.Limit
	if !l.Known {
		return notTried("the registry says nothing of a limit")
	}
	detail := fmt.Sprintf("%d of %d pulls are left", l.Left, l.Of)
	if l.Window > 0 {
		detail += fmt.Sprintf(" in %s", time.Duration(l.Window)*time.Second)
	}
	if l.Left*10 <= l.Of {
		remedy := "wait, or pull with an account that has a higher limit"
		if w.lease.Kind == fairlead.Anonymous {
			remedy = "connect the registry with a login, which has a higher limit: `fairlead registry add NAME --pattern '" + namespace(w.image.Resource) + "/*'`"
		}
		return warning(detail, remedy)
	}
	return ok("%s", detail)
}
