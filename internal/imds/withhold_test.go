package imds

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/web"
)

// unanswered sends a token request of a guest. It returns whether the connection was aborted without an answer, and when.
func unanswered(ctx context.Context, t *testing.T, h http.Handler) (aborted bool, took time.Duration) {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, http.MethodPut, "/latest/api/token", nil)
	r.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
	w := httptest.NewRecorder()
	begun := time.Now()
	defer func() {
		p := recover()
		aborted, took = p == http.ErrAbortHandler, time.Since(begun) //nolint:errorlint // net/http compares the value, too
		if w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("answered %v %q", w.Header(), w.Body)
		}
	}()
	h.ServeHTTP(w, r)
	return false, 0
}

func guest(*http.Request) bool { return true }

func TestHopLimit_OfOneLeavesGuestsWithoutAnswer(t *testing.T) {
	target := newTarget()
	target.HopLimit = 1
	for _, tt := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
		want time.Duration
	}{
		{"until the time-out", func() (context.Context, context.CancelFunc) { return context.Background(), func() {} }, silence},
		{"until the client gives up", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), time.Second)
		}, time.Second},
		{"until the server stops", func() (context.Context, context.CancelFunc) {
			stop := make(chan struct{})
			close(stop)
			return web.WithStop(context.Background(), stop), func() {}
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.ctx()
				defer cancel()
				h := newGuestRouter(slog.New(slog.DiscardHandler), &selector{target: target}, never, guest)
				if aborted, took := unanswered(ctx, t, h); !aborted || took != tt.want {
					t.Errorf("aborted %v after %v, want after %v", aborted, took, tt.want)
				}
			})
		})
	}
}

func TestHopLimit_OfOneAnswersGuestsAllOtherRequests(t *testing.T) {
	target := newTarget()
	target.HopLimit = 1
	h := newGuestRouter(slog.New(slog.DiscardHandler), &selector{target: target}, never, guest)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/latest/meta-data/instance-id", http.StatusOK},
		{http.MethodGet, "/latest/api/token", http.StatusMethodNotAllowed},
		{http.MethodOptions, "/latest/api/token", http.StatusOK},
		{http.MethodPut, "/2021-03-23/api/token", http.StatusForbidden},
	} {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
			if w.Code != tt.want {
				t.Errorf("got %d, want %d", w.Code, tt.want)
			}
		})
	}
}

func TestHopLimit_WithheldTokenIsLoggedOncePerConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &selector{target: newTarget()}
		s.target.HopLimit = 1
		h := newGuestRouter(slog.New(slog.NewTextHandler(&log, nil)), s, never, guest)
		for range 3 {
			unanswered(t.Context(), t, h)
		}
		if n := strings.Count(log.String(), "session token withheld from a guest"); n != 1 || !strings.Contains(log.String(), "http_put_response_hop_limit") {
			t.Errorf("logged %d times:\n%s", n, &log)
		}
		s.target = newTarget()
		s.target.HopLimit = 1
		unanswered(t.Context(), t, h)
		if n := strings.Count(log.String(), "session token withheld from a guest"); n != 2 {
			t.Errorf("logged %d times after a reload:\n%s", n, &log)
		}
	})
}

func TestHopLimit_NoLimitIsNoneForGuests(t *testing.T) {
	for _, limit := range []int{0, NoHopLimit} {
		target := newTarget()
		target.HopLimit = limit
		h := newGuestRouter(slog.New(slog.DiscardHandler), &selector{target: target}, never, guest)
		r := httptest.NewRequest(http.MethodPut, "/latest/api/token", nil)
		r.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Connection") != "" {
			t.Errorf("limit %d: %d %v", limit, w.Code, w.Header())
		}
	}
}
