//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseWrk_GivesRateAndProcessorTime(t *testing.T) {
	for _, tt := range []struct {
		name, out string
		used      time.Duration
		rate, cpu float64
		err       string
	}{
		{
			name: "good", out: "Running 1s test\n" + `{"requests":2000,"microseconds":1000000,"refused":0,"socketErrors":0}` + "\n",
			used: 40 * time.Millisecond, rate: 2000, cpu: 20,
		},
		{
			name: "refused", out: `{"requests":10,"microseconds":1000000,"refused":3,"socketErrors":1}`, used: time.Second,
			err: "wrong answers: 3 of 10 requests were refused, 1 connections failed",
		},
		{
			name: "nothing", out: `{"requests":0,"microseconds":1000000,"refused":0,"socketErrors":0}`, used: time.Second,
			err: "nothing was answered while wrk ran",
		},
		{name: "no line", out: "unable to connect", err: `wrk printed "unable to connect": invalid character 'u' looking for beginning of value`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rate, cpu, err := parseWrk(tt.out, tt.used)
			if text := errorText(err); rate != tt.rate || cpu != tt.cpu || text != tt.err {
				t.Errorf("%v a second, %v µs, error %q", rate, cpu, text)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestProcessorTime_AddsUserAndSystem(t *testing.T) {
	got, err := processorTime("12 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 9 0 100 1 1")
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := processorTime("12 (a) S 1"); err == nil {
		t.Error("a short line is no error")
	}
}

func TestComparison_SaysWhoMissesTheLimit(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   comparison
		want row
	}{
		{
			"below",
			comparison{what: "memory", format: "%.1f MB", ours: 20, theirs: 40, limit: 0.8},
			row{"memory", "≤ 0.80", "0.50", "ok", "ours 20.0 MB, kube2iam 40.0 MB"},
		},
		{
			"too slow",
			comparison{what: "rate", format: "%.0f", ours: 30, theirs: 30, limit: 1.5, atLeast: true, documented: true, detail: "rounds"},
			row{"rate", "≥ 1.50", "1.00", "short", "ours 30, kube2iam 30 (of another run); rounds"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.row(); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestMedian_LiesBetweenTwoValues(t *testing.T) {
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("%v, want 2.5", got)
	}
}

func TestReadBurst_CountsAnswersWithoutCredentials(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for name, text := range map[string]string{
		"pod-000": `{"Status":200,"Milliseconds":10,"Good":true}`,
		"pod-001": `{"Status":404,"Milliseconds":30,"Good":false,"Error":"not found"}`,
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	got, err := readBurst(files)
	if want := (burst{failed: 1, p50: 20, most: 30, firstSeen: `status 404 "not found"`}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestClusterRows_FailWithoutAllAnswers(t *testing.T) {
	ours := clusterFigures{idle: usage{resident: 20}, bursts: []burst{{p50: 40, most: 100}, {failed: 2, p50: 60, most: 300, firstSeen: "status 503"}}}
	theirs := clusterFigures{idle: usage{resident: 30}, bursts: []burst{{failed: 16, p50: 1800, most: 3000}}}
	rows := clusterRows(ours, theirs, false)
	if got := rows[1]; got.Got != "2" || got.OK != "short" || got.Detail != "0, 2 of 100; kube2iam 16; status 503" {
		t.Errorf("failures: %+v", got)
	}
	if got := rows[2]; got.Got != "0.03" || got.OK != "ok" {
		t.Errorf("p50: %+v", got)
	}
	var b strings.Builder
	printTable(&b, rows)
	if lines := strings.Count(b.String(), "\n"); lines != 6 {
		t.Errorf("%d lines:\n%s", lines, &b)
	}
}
