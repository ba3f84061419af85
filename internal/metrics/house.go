package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fairlead.dev/fairlead"
)

// tallyLife is how long things aren't counted again, however often it is asked.
const tallyLife = 10 * time.Second

// house shows what is in the database.
type house struct {
	o Options

	mu    sync.Mutex
	at    time.Time
	tally fairlead.Tally
	up    bool
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

//nolint:gochecknoglobals // They are constants in all but the language.
var (
	runsDesc       = desc("runs", "Runs that haven't ended, by state.", "state")
	queueDesc      = desc("queue_length", "Runs that wait for a worker.")
	connectorsDesc = desc("connectors", "Connectors, by how they do.", "state")
	databaseDesc   = desc("database_up", "Whether the database answered when runs and connectors were last counted.")
)

// Describe gives what there is.
func (h *house) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{runsDesc, queueDesc, connectorsDesc, databaseDesc} {
		to <- d
	}
}

// Collect gives the values.
func (h *house) Collect(to chan<- prometheus.Metric) {
	tally, up := h.count()
	value := 0.0
	if up {
		value = 1
	}
	gauge(to, databaseDesc, value)
	if !up {
		return // what isn't known isn't shown
	}
	for state, n := range tally.Runs {
		gauge(to, runsDesc, float64(n), string(state))
	}
	gauge(to, queueDesc, float64(tally.Runs[fairlead.Queued]))
	for state, n := range tally.Connectors {
		gauge(to, connectorsDesc, float64(n), string(state))
	}
}

func (h *house) count() (fairlead.Tally, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.o.Now(); h.at.IsZero() || now.Sub(h.at) >= tallyLife || now.Before(h.at) {
		tally, err := h.o.Tally()
		h.at, h.tally, h.up = now, tally, err == nil
	}
	return h.tally, h.up
}

func gauge(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func count(to chan<- prometheus.Metric, d *prometheus.Desc, v int64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}
