package api

import (
	"errors"

	"fairlead.dev/fairlead/internal/runs"
	"fairlead.dev/fairlead/wire"
)

// asProblems gives the places of a step file that an error names.
func asProblems(err error) ([]wire.Problem, bool) {
	p, ok := errors.AsType[*runs.ProblemsError](err)
	if !ok {
		return nil, false
	}
	list := make([]wire.Problem, 0, len(p.Problems))
	for _, one := range p.Problems {
		list = append(list, wire.Problem{
			File: one.File, Line: one.Line, Column: one.Column, Severity: string(one.Severity), Rule: one.Rule, Text: one.Text, Remedy: one.Remedy,
		})
	}
	return list, true
}
