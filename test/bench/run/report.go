package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// row is one line of the report.
type row struct {
	what, wanted, got, ok, detail string
}

// atLeast makes a row whose figure must not be below a limit; format is for both.
func atLeast(what, format string, limit, got float64, detail string) row {
	return row{what, "≥ " + fmt.Sprintf(format, limit), fmt.Sprintf(format, got), verdict(got >= limit), detail}
}

// atMost makes a row whose figure must not be above a limit.
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
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", r.what, r.wanted, r.got, r.ok, r.detail)
	}
}

// median returns the median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread formats the lowest and the highest value.
func spread(format string, values []float64) string {
	return fmt.Sprintf(format+"–"+format, slices.Min(values), slices.Max(values))
}

// thousands formats a whole number with commas.
func thousands(f float64) string {
	digits := fmt.Sprintf("%.0f", f)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
