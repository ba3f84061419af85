package sqlite

import (
	"errors"
	"strings"

	"modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"fairlead.dev/fairlead/internal/sqlstore"
)

// fault says what an error of SQLite means (https://www.sqlite.org/rescode.html).
func fault(err error) sqlstore.Fault {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return sqlstore.Fault{}
	}
	switch e.Code() {
	case code.SQLITE_CONSTRAINT_UNIQUE, code.SQLITE_CONSTRAINT_PRIMARYKEY:
		return sqlstore.Fault{Class: sqlstore.Taken, Column: column(e.Error())}
	case code.SQLITE_CONSTRAINT_FOREIGNKEY:
		return sqlstore.Fault{Class: sqlstore.Absent}
	}
	switch e.Code() & 0xff { // without what makes the code an extended one
	case code.SQLITE_BUSY, code.SQLITE_LOCKED:
		return sqlstore.Fault{Class: sqlstore.Away, Why: "another process kept the store's file locked"}
	case code.SQLITE_FULL:
		return sqlstore.Fault{Class: sqlstore.Full}
	case code.SQLITE_READONLY, code.SQLITE_PERM, code.SQLITE_CANTOPEN:
		return sqlstore.Fault{Class: sqlstore.ReadOnly}
	case code.SQLITE_CORRUPT, code.SQLITE_NOTADB:
		return sqlstore.Fault{Why: "the store's file is damaged"}
	}
	return sqlstore.Fault{}
}

func isNoDatabase(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == code.SQLITE_NOTADB || e.Code()&0xff == code.SQLITE_CORRUPT)
}

// column finds the last column of the constraint in "UNIQUE constraint failed:
// registries.organization_id, registries.name (2067)".
func column(text string) string {
	text, _, _ = strings.Cut(text[strings.LastIndex(text, ": ")+2:], " (")
	return text[strings.LastIndexByte(text, '.')+1:]
}
