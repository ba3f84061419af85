package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/stepfile"
	"fairlead.dev/fairlead/ref"
)

const defaultStepFile = "valohai.yaml"

func (a *app) lintCommand() *cobra.Command {
	var strict, online bool
	var project string
	c := &cobra.Command{
		Use: "lint [FILE]", Short: "Check a step file (valohai.yaml)", Args: cobra.MaximumNArgs(1),
		Long: `Check a step file. With --online the server is asked about each step's image, too: whether
a registry entry of the project's organization covers it, and whether it can be pulled.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := defaultStepFile
			if len(args) > 0 {
				file = args[0]
			}
			data, err := readStepFile(file)
			if err != nil {
				return err
			}
			parsed, problems := stepfile.Parse(file, data, stepfile.Options{CheckImage: checkImage})
			if online {
				found, err := a.lintOnline(cmd.Context(), file, parsed, project)
				if err != nil {
					return err
				}
				problems = append(problems, found...)
			}
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
			if err == nil && (errs > 0 || strict && graver(problems)) {
				return exitCode(exitFailed)
			}
			return err
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	c.Flags().BoolVar(&online, "online", false, "ask the server about the images, too: which entry covers them, and whether they can be pulled")
	c.Flags().StringVarP(&project, "project", "p", "", "project to ask for with --online, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	return c
}

// graver reports whether something in the list is more than a note.
func graver(list []stepfile.Problem) bool {
	return slices.ContainsFunc(list, func(p stepfile.Problem) bool { return p.Severity != stepfile.SeverityNote })
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
