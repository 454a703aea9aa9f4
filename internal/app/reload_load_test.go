package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

// generationOf makes a configuration that has n, of three digits, in all answers of generationPaths. It is one line, so that a
// part of it is no configuration: it may be written in place.
func generationOf(n int) string {
	return fmt.Sprintf(`{credentials: {mock: true, iam_role: '%s'}, ec2: {image_id: ami-%d, instance_type: t3.%d,`+
		` tags: {a%d: v, b%d: v, c%d: v}, user_data: '%s'}}`+"\n",
		roleARN, n, n, n, n, n, strings.Repeat(fmt.Sprintf("%d ", n), 4000))
}

// generationPaths are answers that hold several values, and what in them names the generation.
var generationPaths = map[string]*regexp.Regexp{
	"latest/dynamic/instance-identity/document": regexp.MustCompile(`"(?:ami-|t3\.)([0-9]+)"`),
	"latest/meta-data/tags/instance/":           regexp.MustCompile(`(?m)^[abc]([0-9]+)$`),
	"latest/user-data":                          regexp.MustCompile(`([0-9]+) `),
}

// TestReload_EachAnswerIsOfOneState asks without a pause while the configuration is rewritten, in place and by a rename in turn.
// No answer is of an older configuration than the one before.
func TestReload_EachAnswerIsOfOneState(t *testing.T) {
	testutil.IsolateHome(t)
	const first, last = 100, 150
	testutil.Write(t, config.DefaultFile, generationOf(first))
	d := start(t, "log.access=false")
	token := d.token(t)
	_, credentials := d.get(t, rolePath)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	var answers atomic.Int64
	for path, number := range generationPaths {
		clients.Go(func() {
			newest := ""
			for ctx.Err() == nil {
				body, err := askWith(d.url+path, token)
				if err != nil {
					t.Error(err)
					return
				}
				found := number.FindAllStringSubmatch(body, -1)
				if len(found) < 2 {
					t.Errorf("%s: %.200q", path, body)
					return
				}
				for _, one := range found {
					if one[1] != found[0][1] || one[1] < newest {
						t.Errorf("%s: %s and %s in one answer, after %s", path, found[0][1], one[1], newest)
						return
					}
				}
				newest = found[0][1]
				answers.Add(1)
			}
		})
	}
	for n := first + 1; n <= last && !t.Failed(); n++ {
		name := config.DefaultFile
		if n%2 == 0 {
			name += ".new"
		}
		testutil.Write(t, name, generationOf(n))
		if n%2 == 0 {
			if err := os.Rename(name, config.DefaultFile); err != nil {
				t.Fatal(err)
			}
		}
		testutil.Eventually(t, "the new configuration is in use", func() bool {
			_, image := d.get(t, "latest/meta-data/ami-id")
			return image == fmt.Sprintf("ami-%d", n)
		})
	}
	cancel()
	clients.Wait()
	if _, again := d.get(t, rolePath); again != credentials {
		t.Error("reloads that change nothing about credentials refreshed them")
	}
	if answers.Load() < last-first {
		t.Error("hardly anything was asked meanwhile")
	}
	t.Logf("%d answers during %d reloads", answers.Load(), last-first)
}

// token gets a session token.
func (d *daemon) token(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, d.url+"latest/api/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "21600")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	token, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %q: %v", resp.Status, token, err)
	}
	return string(token)
}

// askWith sends a GET with a session token and returns the body of a 200.
func askWith(url, token string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-aws-ec2-metadata-token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %q", url, resp.Status, body)
	}
	return string(body), err
}
