package postgres

import (
	"database/sql/driver"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/conform"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/sqlstore"
)

func direct(c driver.Connector) driver.Connector { return c }

func openFresh(tb testing.TB, between func(driver.Connector) driver.Connector) *sqlstore.Store {
	tb.Helper()
	s, err := open(tb.Context(), pgtest.URL(tb), Options{Now: conform.Now}, between)
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
		return openFresh(t, direct)
	})
}

func TestStoreFaults(t *testing.T) {
	t.Parallel()
	conform.StoreFaults(t, &pgconn.PgError{Code: "40001"}, func(t *testing.T, f *conform.Faults) fairlead.Store {
		t.Helper()
		return openFresh(t, f.Between)
	})
}

// BenchmarkStore uses a server that syncs its commits, as a real one does.
func BenchmarkStore(b *testing.B) {
	server, err := pgtest.Start(b.Context(), pgtest.Config{Durable: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := server.Stop(); err != nil {
			b.Error(err)
		}
	})
	conform.BenchmarkStore(b, func(b *testing.B) fairlead.Store {
		b.Helper()
		address, err := server.Create(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		s, err := Open(b.Context(), address, Options{Now: conform.Now})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
		return s
	})
}
