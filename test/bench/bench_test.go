package bench

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

func TestAnswer_BareServerRepeatsItByteForByte(t *testing.T) {
	c := Cases()[1]
	ours := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != c.Path || r.Header.Get("X-aws-ec2-metadata-token") != "a token" {
			t.Errorf("asked for %s with %v", r.URL, r.Header)
		}
		w.Header().Set("Server", "EC2ws")
		w.Header().Set("X-aws-ec2-metadata-token-ttl-seconds", "21600")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte("\x00binary\xff"))
	}))
	defer ours.Close()
	answer, err := c.Ask(ours.Client(), ours.URL, "a token")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "answer.json")
	if err := answer.Save(file); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadAnswer(file)
	if err != nil {
		t.Fatal(err)
	}
	bare := httptest.NewServer(loaded)
	defer bare.Close()
	again, err := c.Ask(bare.Client(), bare.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if differ := answer.Differ(again); differ != "" || again.Status != http.StatusAccepted || string(again.Body) != "\x00binary\xff" {
		t.Errorf("%+v differs: %s", again, differ)
	}
}

func TestContainerCases_SendIdAndToken(t *testing.T) {
	container, pod := ContainerCases("the-id", "the-token")
	if container.Path != "/v2/credentials/the-id" || len(container.Header("")) != 0 {
		t.Errorf("a container asks for %s with %v", container.Path, container.Header(""))
	}
	if pod.Path != "/v1/credentials" || pod.Header("").Get("Authorization") != "the-token" {
		t.Errorf("a pod asks for %s with %v", pod.Path, pod.Header(""))
	}
}

func TestDiffer(t *testing.T) {
	const left = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	a := &Answer{Status: http.StatusOK, Header: http.Header{"Server": {"EC2ws"}, left: {"60"}}, Body: []byte("x")}
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   string
	}{
		{name: "other seconds left", status: http.StatusOK, header: http.Header{"Server": {"EC2ws"}, left: {"59"}}, body: "x", want: ""},
		{name: "no seconds left", status: http.StatusOK, header: http.Header{"Server": {"EC2ws"}}, body: "x", want: left + `: "60" and ""`},
		{
			name: "headers", status: http.StatusOK, header: http.Header{"Server": {"other"}, left: {"60"}, "Via": {"b"}}, body: "x",
			want: `Server: "EC2ws" and "other"; Via: "" and "b"`,
		},
		{name: "status and body", status: http.StatusNotFound, header: a.Header, body: "y", want: "status 200 and 404; other bodies"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &Answer{Status: tt.status, Header: tt.header, Body: []byte(tt.body)}
			if got := a.Differ(b); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
