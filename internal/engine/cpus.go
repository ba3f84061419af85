package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
)

// CPULimit is a limit of processors, read. The zero value is none.
type CPULimit struct {
	// Number is how many processors' time may be used; 0 is no limit.
	Number float64
	// Cores lists those that may be used, in order; none is no limit.
	Cores []int
}

const (
	// leastCPUs is the smallest share that the kernel takes (a quota of 1 ms).
	leastCPUs = 0.01
	// mostCore bounds core numbers: the kernel has at most 8192 (NR_CPUS).
	mostCore = 8191
)

// ParseCPUs reads [Container.CPUs] for a machine that has some cores, numbered from 0.
// A number of at least as many processors as there are is no limit. Errors are
// [fairlead.Invalid].
func ParseCPUs(s string, cores int) (CPULimit, error) {
	if s == "" {
		return CPULimit{}, nil
	}
	if strings.Trim(s, "0123456789.") == "" {
		n, err := strconv.ParseFloat(s, 64)
		switch {
		case err != nil || math.IsInf(n, 0):
			return CPULimit{}, badLimit("it is neither a number nor a list of cores")
		case n < leastCPUs:
			return CPULimit{}, badLimit(fmt.Sprintf("the least is %v", leastCPUs))
		case n >= float64(cores):
			return CPULimit{}, nil
		}
		return CPULimit{Number: n}, nil
	}
	list, err := parseCores(s)
	if err != nil {
		return CPULimit{}, err
	}
	if last := list[len(list)-1]; last >= cores {
		return CPULimit{}, badLimit(fmt.Sprintf("the worker's machine has no core %d: its cores are 0 to %d", last, cores-1))
	}
	return CPULimit{Cores: list}, nil
}

// parseCores reads a list as cpuset(7) has it, "List format".
func parseCores(s string) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := parseCore(from)
		last := first
		if err == nil && isRange {
			last, err = parseCore(to)
		}
		if err == nil && last < first {
			err = badLimit("the range " + part + " ends before it begins")
		}
		if err != nil {
			return nil, err
		}
		for n := first; n <= last; n++ {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func parseCore(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n > mostCore {
		return 0, badLimit("it is neither a number nor a list of cores")
	}
	return int(n), nil
}

// List is the cores as cpuset(7) has them.
func (l CPULimit) List() string {
	names := make([]string, len(l.Cores))
	for i, n := range l.Cores {
		names[i] = strconv.Itoa(n)
	}
	return strings.Join(names, ",")
}

func badLimit(why string) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "VH_CPU_LIMIT", What: "limiting processors", Why: "VH_CPU_LIMIT: " + why, Remedy: "write it like 2 or 0,2,4",
	}
}
