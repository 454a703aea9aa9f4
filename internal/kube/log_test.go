package kube

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

func TestLog_ClientGoIsHeardAtDebugAlone(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		t.Run(level.String(), func(t *testing.T) {
			out := &logged{}
			log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
			heard := klog.FromContext(withLog(t.Context(), log))
			heard.Error(errors.New("reason"), "watch failed")
			heard.V(2).Info("caches populated")
			heard.V(4).Info("each request")
			got := out.String()
			if level == slog.LevelInfo && got != "" {
				t.Errorf("logged %s", got)
			}
			if level == slog.LevelDebug && (strings.Count(got, "level=DEBUG") != 2 || !strings.Contains(got, "reason") || strings.Contains(got, "each request")) {
				t.Errorf("logged %s", got)
			}
		})
	}
}
