package sqlite

import (
	"database/sql/driver"
	"path/filepath"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/conform"
	"fairlead.dev/fairlead/internal/sqlstore"
)

func direct(c driver.Connector) driver.Connector { return c }

func openTemp(tb testing.TB, between func(driver.Connector) driver.Connector) *sqlstore.Store {
	tb.Helper()
	s, err := open(tb.Context(), filepath.Join(tb.TempDir(), "fairlead.db"), Options{Now: conform.Now}, between)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	conform.Store(t, func(t *testing.T) fairlead.Store {
		t.Helper()
		return openTemp(t, direct)
	})
}

func TestStoreFaults(t *testing.T) {
	t.Parallel()
	conform.StoreFaults(t, nil, func(t *testing.T, f *conform.Faults) fairlead.Store {
		t.Helper()
		return openTemp(t, f.Between)
	})
}

func BenchmarkStore(b *testing.B) {
	conform.BenchmarkStore(b, func(b *testing.B) fairlead.Store {
		b.Helper()
		return openTemp(b, direct)
	})
}
