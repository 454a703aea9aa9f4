//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// row is one line of the report.
type row struct {
	What, Wanted, Got, OK, Detail string
}

// comparison is what both programs have measured; theirs is 0 if it is not known.
type comparison struct {
	what         string
	format       string // of both figures, with the unit
	ours, theirs float64
	limit        float64 // of the ratio ours to theirs
	atLeast      bool    // the ratio must not be below the limit; else not above
	detail       string
	documented   bool // theirs is the figure of kubernetes.md, of another run and machine
}

func (c comparison) row() row {
	sign := "≤"
	if c.atLeast {
		sign = "≥"
	}
	detail := "ours " + fmt.Sprintf(c.format, c.ours) + ", kube2iam " + fmt.Sprintf(c.format, c.theirs)
	if c.documented {
		detail += " (of another run)"
	}
	if c.detail != "" {
		detail += "; " + c.detail
	}
	ratio := c.ours / c.theirs
	good := ratio <= c.limit
	if c.atLeast {
		good = ratio >= c.limit
	}
	return row{c.what, fmt.Sprintf("%s %.2f", sign, c.limit), fmt.Sprintf("%.2f", ratio), verdict(good), detail}
}

// atMost is a row of a figure of ours alone, which must not be above a limit. format is for both.
func atMost(what, format string, limit, got float64, detail string) row {
	return row{what, "≤ " + fmt.Sprintf(format, limit), fmt.Sprintf(format, got), verdict(got <= limit), detail}
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "short"
}

// printTable writes rows as a table in Markdown.
func printTable(w io.Writer, rows []row) {
	fmt.Fprintln(w, "| what | wanted | got | | |\n|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join([]string{r.What, r.Wanted, r.Got, r.OK, r.Detail}, " | "))
	}
}

// median returns the median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratios divides two rows of figures, pair by pair.
func ratios(over, under []float64) []float64 {
	all := make([]float64, len(over))
	for i := range over {
		all[i] = over[i] / under[i]
	}
	return all
}

// spread formats the lowest and the highest value.
func spread(format string, values []float64) string {
	return fmt.Sprintf(format+"–"+format, slices.Min(values), slices.Max(values))
}
