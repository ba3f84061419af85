// Package metrics shows how the server does, in Prometheus' text format. No label names
// an organization, a user or an image, and the number of registries that have a label of
// their own is bounded: whoever may pull may name any.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fairlead.dev/fairlead"
)

// Options say what is measured.
type Options struct {
	Version string
	Now     func() time.Time
	// Tally counts runs and connectors. It is asked once in tallyLife at most.
	Tally func() (fairlead.Tally, error)
	// Gateway gives what the gateway has counted; nil if there is none.
	Gateway func() Gateway
}

// Metrics are the server's. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	leases   *prometheus.CounterVec
	events   *prometheus.CounterVec
	ended    *prometheus.CounterVec
}

const namespace = "fairlead"

// New makes metrics.
func New(o Options) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("http_requests_total", "Requests of the API, by route and status.", "method", "route", "status"),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "http_request_duration_seconds", Help: "How long requests of the API took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route"}),
		leases: counter("leases_total", "Leases that were asked for, by the registry's family and what came of it.", "family", "outcome"),
		events: counter("events_total", "Events that were recorded.", "action", "allowed"),
		ended:  counter("runs_ended_total", "Runs that have ended, by their last state.", "state"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "The build; always 1.", ConstLabels: prometheus.Labels{"version": o.Version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.requests, m.took, m.leases, m.events, m.ended, build, &house{o: o},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, s := range []fairlead.RunState{fairlead.Complete, fairlead.Failed, fairlead.Stopped} {
		m.ended.WithLabelValues(string(s))
	}
	if o.Gateway != nil {
		m.registry.MustRegister(newGatewayCollector(o.Gateway))
	}
	return m
}

// Handler answers scrapes. Who may ask is up to whoever has it.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrapes, Registry: m.registry})
}

// mostScrapes is how many scrapes are answered at the same time.
const mostScrapes = 4

// Route gives what counts the requests of one route.
func (m *Metrics) Route(method, route string) func(status int, took time.Duration) {
	took := m.took.WithLabelValues(method, route)
	return func(status int, d time.Duration) {
		m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		took.Observe(d.Seconds())
	}
}

// Leased counts a lease that was asked for of a family ("" where no entry has a
// connector for it).
func (m *Metrics) Leased(family string, l fairlead.Lease, err error) {
	outcome := string(l.Kind)
	if err != nil {
		outcome = string(fairlead.KindOf(err))
	}
	if family == "" {
		family = "none"
	}
	m.leases.WithLabelValues(family, outcome).Inc()
}

// Store counts the events that are written to a store.
func (m *Metrics) Store(s fairlead.Store) fairlead.Store { return &store{s, m} }

type store struct {
	fairlead.Store
	metrics *Metrics
}

// Write counts the event of a change that was made.
func (s *store) Write(ctx context.Context, change func(context.Context, fairlead.Writer) (fairlead.Event, error)) error {
	var last fairlead.Event
	err := s.Store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev, err := change(ctx, w)
		last = ev
		return ev, err
	})
	if err == nil {
		s.metrics.happened(last)
	}
	return err
}

func (m *Metrics) happened(ev fairlead.Event) {
	m.events.WithLabelValues(string(ev.Action), strconv.FormatBool(ev.Allowed)).Inc()
	noun, _, _ := strings.Cut(string(ev.Action), ".")
	if state := fairlead.RunState(ev.Detail["state"]); noun == "run" && state.Final() {
		m.ended.WithLabelValues(string(state)).Inc()
	}
}
