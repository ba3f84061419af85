package postgres

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/sqlstore"
)

// fault says what an error of pgx means
// (https://www.postgresql.org/docs/15/errcodes-appendix.html).
func fault(err error) sqlstore.Fault {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if isAway(err) {
			return sqlstore.Fault{Class: sqlstore.Away}
		}
		return sqlstore.Fault{}
	}
	switch e.Code {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return sqlstore.Fault{Class: sqlstore.Again}
	case "23505": // unique_violation
		return sqlstore.Fault{Class: sqlstore.Taken, Column: column(e.ConstraintName)}
	case "23503": // foreign_key_violation
		return sqlstore.Fault{Class: sqlstore.Absent}
	case "53100": // disk_full
		return sqlstore.Fault{Class: sqlstore.Full, Why: "the database server's disk is full"}
	case "25006": // read_only_sql_transaction
		return sqlstore.Fault{Class: sqlstore.ReadOnly, Why: "the database server is read-only"}
	case "53200", "53300", "55P03", "57014", "25P03", "57P01", "57P02", "57P03", "57P05":
		// out_of_memory, too_many_connections, the timeouts of locks, statements and
		// transactions, the shutdowns, cannot_connect_now
		return sqlstore.Fault{Class: sqlstore.Away, Why: "the database server says: " + e.Message}
	}
	if strings.HasPrefix(e.Code, "08") { // connection exceptions
		return sqlstore.Fault{Class: sqlstore.Away}
	}
	return sqlstore.Fault{}
}

func isAway(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) || pgconn.Timeout(err)
}

// column finds what is taken in the name of a constraint: registries_name. A primary
// key's ends in _pkey.
func column(constraint string) string {
	name := constraint[strings.LastIndexByte(constraint, '_')+1:]
	if name == "pkey" {
		return "id"
	}
	return name
}

func invalid(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, What: doing, Why: why, Remedy: remedy}
}

func away(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Unavailable, What: doing, Why: why, Remedy: remedy}
}

// explain translates what went wrong before there was a store.
func explain(ctx context.Context, c *pgx.ConnConfig, err error) error {
	if e, ok := errors.AsType[*fairlead.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused(c, e, err)
	}
	at := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	_, untrusted := errors.AsType[x509.UnknownAuthorityError](err)
	switch name, unknown := errors.AsType[*net.DNSError](err); {
	case unknown:
		return away("the host "+name.Name+" has no address", "check the host in the address")
	case errors.Is(err, errReplica):
		return away("the database server at "+at+" is read-only", "name the primary server, or end its read-only mode")
	case errors.Is(err, errEncoding):
		return invalid("the database "+c.Database+" isn't encoded in UTF-8", "create it with: CREATE DATABASE "+c.Database+" ENCODING 'UTF8' TEMPLATE template0")
	case errors.Is(err, syscall.ECONNREFUSED):
		return away("nothing listens at "+at, "start PostgreSQL there, or check host and port in the address")
	case errors.Is(err, fs.ErrNotExist):
		return away("there is no PostgreSQL socket in "+c.Host, "start PostgreSQL there, or check the host in the address")
	case untrusted:
		return invalid("the certificate of "+at+" is signed by nobody whom this machine trusts", "name the signer's certificate with sslrootcert in the address")
	case ctx.Err() != nil, pgconn.Timeout(err):
		return away("the database server at "+at+" doesn't answer", "check host and port in the address, and the way there")
	}
	return fault(err).Error(doing, err)
}

// refused says why the server didn't let us in, or do what opening needs.
func refused(c *pgx.ConnConfig, e *pgconn.PgError, err error) error {
	switch e.Code {
	case "28P01", "28000": // invalid_password, invalid_authorization_specification
		return invalid("the database server refuses the login of the user "+c.User, "check user and password in the address, and the server's pg_hba.conf")
	case "3D000": // invalid_catalog_name
		return invalid("there is no database "+c.Database+" on the server", "create it with: CREATE DATABASE "+c.Database)
	case "42501": // insufficient_privilege
		return invalid("the user "+c.User+" may not create tables in the database "+c.Database, "make the user the database's owner")
	case "42P07": // duplicate_table
		return invalid("the database "+c.Database+" has tables of somebody else", "give Fairlead a database of its own")
	}
	return fault(err).Error(doing, err)
}
