package conform

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
)

// BenchmarkStore measures what a server does all day, in a store with 10 000
// registries. open is as in [Store].
func BenchmarkStore(b *testing.B, open func(b *testing.B) fairlead.Store) {
	b.Helper()
	h := benchHouse{house: house{open(b)}}
	h.o = h.newOrganization(b, "o")
	h.p, h.k = h.newProject(b, h.o, fairlead.User{}, "p"), h.newWorker(b, h.o, "k")
	h.addRegistries(b, 10000)
	token := fairlead.Token{ID: "t", Kind: fairlead.APIToken, User: h.newUser(b, "ada").ID, Hash: hashOf(1)}
	h.must(b, func(ctx context.Context, w fairlead.Writer) error { return w.AddToken(ctx, token) })
	for _, c := range []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"Revision", func(ctx context.Context) error { _, err := h.Revision(ctx, h.o.ID); return err }},
		{"TokenByHash", func(ctx context.Context) error { _, err := h.TokenByHash(ctx, token.Hash); return err }},
		{"RegistryByName", func(ctx context.Context) error { _, err := h.RegistryByName(ctx, h.o.ID, "r-5000"); return err }},
		{"RegistriesOf10000", func(ctx context.Context) error { _, err := h.RegistriesOf(ctx, h.o.ID); return err }},
		{"Write", h.empty},
	} {
		b.Run(c.name, each(c.do))
	}
	b.Run("WriteParallel", func(b *testing.B) {
		parallel(b, h.empty)
	})
	b.Run("Claim", h.claims)
	b.Run("Renew", h.renewals)
	b.Run("AppendLog100", h.append(100))
	b.Run("AppendLog1000", h.append(1000))
	b.Run("Log200of1000000", h.longLog)
	b.Run("EventsPage50", h.eventPages)
}

type benchHouse struct {
	house
	o fairlead.Organization
	p fairlead.Project
	k fairlead.Worker
}

// each measures f one after the other.
func each(f func(ctx context.Context) error) func(b *testing.B) {
	return func(b *testing.B) {
		b.Helper()
		b.ReportAllocs()
		for b.Loop() {
			if err := f(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// parallel measures f as eight times as many as there are processors do it.
func parallel(b *testing.B, f func(ctx context.Context) error) {
	b.Helper()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(b.Context()); err != nil {
				b.Error(err)
			}
		}
	})
}

// empty is a write of nothing but its event.
func (h benchHouse) empty(ctx context.Context) error {
	return h.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		return fairlead.Event{Organization: h.o.ID, Project: "p", By: fairlead.Subject{ID: "u"}, Action: fairlead.LeasePull, Detail: map[string]string{"image": "reg.io/team/app:v1"}}, nil
	})
}

func (h benchHouse) addRegistries(b *testing.B, n int) {
	b.Helper()
	c := h.newConnector(b, h.o, "c", "password")
	h.must(b, func(ctx context.Context, w fairlead.Writer) error {
		for i := range n {
			g := fairlead.Registry{ID: fairlead.RegistryID(newID()), Organization: h.o.ID, Name: nameOf("r", i), Connector: c.ID, Pattern: parsePattern(b, fmt.Sprintf("reg%d.io/team/*", i))}
			if err := w.AddRegistry(ctx, g); err != nil {
				return err
			}
		}
		return nil
	})
}

// queue adds n queued runs.
func (h benchHouse) queue(b *testing.B, n int) {
	b.Helper()
	h.must(b, func(ctx context.Context, w fairlead.Writer) error {
		for range n {
			if _, err := w.AddRun(ctx, runOf(h.p)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h benchHouse) claims(b *testing.B) {
	b.Helper()
	h.queue(b, b.N)
	b.ResetTimer()
	parallel(b, func(ctx context.Context) error {
		return h.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
			_, err := w.ClaimRun(ctx, h.k, at(0), at(1000))
			return fairlead.Event{Action: fairlead.RunPerform}, err
		})
	})
}

// held gives a run that the worker holds.
func (h benchHouse) held(b *testing.B) fairlead.Run {
	b.Helper()
	h.queue(b, 1)
	return ok(h.claim(b, h.k, 1000))(b)
}

func (h benchHouse) renewals(b *testing.B) {
	b.Helper()
	r := h.held(b)
	var n int
	each(func(ctx context.Context) error {
		n++
		_, err := h.Renew(ctx, r.ID, r.Fence, at(1000+n), &fairlead.Progress{Phase: fairlead.PhaseRun})
		return err
	})(b)
}

// trainingLines are lines as a training prints them.
func trainingLines(first int64, n int) []fairlead.LogLine {
	list := make([]fairlead.LogLine, 0, n)
	random := rand.New(rand.NewPCG(1, uint64(first)))
	for i := range int64(n) {
		text := fmt.Sprintf("epoch %d/100 step %d/10000 loss=%.6f accuracy=%.4f lr=%.2e eta=%s",
			i%100, first+i, random.Float64(), random.Float64(), random.Float64(), strings.Repeat("#", random.IntN(20)))
		list = append(list, fairlead.LogLine{Seq: first + i, At: at(0).Add(time.Duration(first+i) * 1234 * time.Microsecond), Stream: fairlead.Stdout, Text: text})
	}
	return list
}

func (h benchHouse) append(n int) func(b *testing.B) {
	return func(b *testing.B) {
		b.Helper()
		r := h.held(b)
		lines, next := trainingLines(1, n), int64(1)
		each(func(ctx context.Context) error {
			for i := range lines {
				lines[i].Seq = next
				next++
			}
			return h.AppendLog(ctx, r.ID, r.Fence, lines)
		})(b)
		b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "lines/s")
	}
}

// longLog reads pages from anywhere in a long log.
func (h benchHouse) longLog(b *testing.B) {
	b.Helper()
	const all, batch = 1000000, 500
	r := h.held(b)
	for first := int64(1); first < all; first += batch {
		if err := h.AppendLog(b.Context(), r.ID, r.Fence, trainingLines(first, batch)); err != nil {
			b.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	b.ResetTimer()
	each(func(ctx context.Context) error {
		lines, err := h.Log(ctx, r.ID, random.Int64N(all-200), 200)
		if len(lines) != 200 {
			b.Errorf("%d lines", len(lines))
		}
		return err
	})(b)
}

func (h benchHouse) eventPages(b *testing.B) {
	b.Helper()
	o := h.newOrganization(b, nameOf("events", b.N))
	for i := range 20000 {
		if err := h.record(b, fairlead.Event{Organization: o.ID, Project: fairlead.ProjectID(nameOf("p", i%10)), Action: fairlead.LeasePull}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	each(func(ctx context.Context) error {
		_, err := h.EventsWhere(ctx, fairlead.EventQuery{Organization: o.ID, Project: "p-0003", Limit: 50})
		return err
	})(b)
}
