package cli

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
)

// Proxies of the environment are not for the loopback, so that a test through one would show nothing.
func TestIMDSClient_HasNoProxyAndFollowsNoRedirect(t *testing.T) {
	c := newIMDSClient(&url.URL{Scheme: "http", Host: "169.254.169.254"}, usualCrawl(), nil)
	if transport, ok := c.http.Transport.(*http.Transport); !ok || transport.Proxy != nil {
		t.Error("it would ask a proxy")
	}
	if err := c.http.CheckRedirect(nil, nil); !errors.Is(err, http.ErrUseLastResponse) {
		t.Errorf("redirects: %v", err)
	}
}

func TestUsualCrawl_HasTheLimitsOfTheHelp(t *testing.T) {
	if l := usualCrawl(); l.leaves != 2000 || l.bytes != 16<<10 || l.time.Seconds() != 40 || l.pause.Milliseconds() != 50 {
		t.Errorf("got %+v", l)
	}
}
