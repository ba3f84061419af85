package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/stepfile"
	"fairlead.dev/fairlead/ref"
)

const defaultStepFile = "valohai.yaml"

func (a *app) lintCommand() *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use: "lint [FILE]", Short: "Check a step file (valohai.yaml)", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := defaultStepFile
			if len(args) > 0 {
				file = args[0]
			}
			data, err := readStepFile(file)
			if err != nil {
				return err
			}
			parsed, problems := stepfile.Parse(file, data, stepfile.Options{CheckImage: checkImage})
			list := append(problems, parsed.Notes...)
			if list == nil {
				list = []stepfile.Problem{}
			}
			errs := stepfile.Errors(problems)
			err = a.show(map[string]any{"problems": list, "errors": errs, "steps": stepNames(parsed)}, func(w io.Writer) {
				for _, p := range list {
					_, _ = fmt.Fprintln(w, printable(p.String()))
				}
				if errs == 0 {
					_, _ = fmt.Fprintf(w, "%s: %s, no mistakes.\n", file, counted(len(parsed.Steps), "step"))
				}
			})
			if err == nil && (errs > 0 || strict && len(problems) > 0) {
				return exitCode(exitFailed)
			}
			return err
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	return c
}

func stepNames(f *stepfile.File) []string {
	names := make([]string, 0, len(f.Steps))
	for _, s := range f.Steps {
		names = append(names, s.Name)
	}
	return names
}

func readStepFile(file string) ([]byte, error) {
	data, err := os.ReadFile(file) //nolint:gosec // The user names the file.
	if err != nil {
		return nil, &fairlead.Error{
			Kind: fairlead.NotFound, What: "reading " + file, Why: reason(err), Remedy: "run it where your valohai.yaml is, or name the file",
		}
	}
	return data, nil
}

func checkImage(name string) error {
	_, err := ref.Parse(name)
	return err
}
