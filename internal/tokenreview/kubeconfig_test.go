package tokenreview

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNew_TakesTheCredentialsOfTheKubeconfig(t *testing.T) {
	s := newAPIServer(t)
	s.TLS.ClientAuth = tls.RequestClientCert
	cert, key := clientPair(t)
	dir := t.TempDir()
	write(t, dir, "ca.crt", s.ca())
	write(t, dir, "client.crt", cert)
	write(t, dir, "client.key", key)
	write(t, dir, "token", ownToken+"\n")
	ca := ", certificate-authority: ca.crt"
	server := "server: " + s.URL
	for _, tt := range []struct{ name, cluster, user, authorization string }{
		{"token", server + ca, "token: " + ownToken, "Bearer " + ownToken},
		{"token file", server + ca, "tokenFile: token", "Bearer " + ownToken},
		{"token file before token", server + ca, "token: x, tokenFile: token", "Bearer " + ownToken},
		{"no credentials", server + ca, "", ""},
		{"CA as data", server + ", certificate-authority-data: " + encoded(s.ca()), "token: " + ownToken, "Bearer " + ownToken},
		{"no verification of the server", server + ", insecure-skip-tls-verify: true", "token: " + ownToken, "Bearer " + ownToken},
		{"name of the server", server + ca + ", tls-server-name: example.com", "token: " + ownToken, "Bearer " + ownToken},
		{"client certificate", server + ca, "client-certificate: client.crt, client-key: client.key", "certificate of admin"},
		{"client certificate as data", server + ca, "client-certificate-data: " + encoded(cert) + ", client-key-data: " + encoded(key), "certificate of admin"},
		{"empty plugins", server + ca, "exec: null, auth-provider: ~, token: " + ownToken, "Bearer " + ownToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, dir, "config", config(tt.cluster, tt.user))
			v, err := New(Options{Kubeconfig: file, Audience: audience, Getenv: noEnv})
			if err != nil {
				t.Fatal(err)
			}
			var subject string
			answer := s.answer
			s.answer = handlerWithSubject(answer, &subject)
			defer func() { s.answer = answer }()
			if _, err := v.Verify(t.Context(), podToken()); err != nil {
				t.Fatal(err)
			}
			got := s.header.Get("Authorization")
			if subject != "" {
				got += "certificate of " + subject
			}
			if got != tt.authorization {
				t.Errorf("asked with %q, want %q", got, tt.authorization)
			}
		})
	}
}

func TestNew_RefusesAServerOfAnotherCA(t *testing.T) {
	s := newAPIServer(t)
	cert, _ := clientPair(t)
	for _, cluster := range []string{"", ", certificate-authority-data: " + encoded(cert), ", tls-server-name: other.example, certificate-authority-data: " + encoded(s.ca())} {
		file := write(t, t.TempDir(), "config", config("server: "+s.URL+cluster, "token: "+ownToken))
		v, err := New(Options{Kubeconfig: file, Audience: audience, Getenv: noEnv})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), podToken()); err == nil || !strings.Contains(err.Error(), "cannot be reached: tls: failed to verify certificate") {
			t.Errorf("%q: got %v", cluster, err)
		}
		if s.asked != 0 {
			t.Error("the server was sent the token")
		}
	}
}

func TestNew_ReadsTheTokenFileForEachRequest(t *testing.T) {
	s := newAPIServer(t)
	dir := t.TempDir()
	token := write(t, dir, "token", "first")
	file := write(t, dir, "config", config("server: "+s.URL+", certificate-authority-data: "+encoded(s.ca()), "tokenFile: token"))
	v, err := New(Options{Kubeconfig: file, Audience: audience, Getenv: noEnv})
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"first", "second"} {
		write(t, dir, "token", own+"\n")
		if _, err := v.Verify(t.Context(), podToken()); err != nil || s.header.Get("Authorization") != "Bearer "+own {
			t.Errorf("asked with %q, %v", s.header.Get("Authorization"), err)
		}
	}
	for _, tt := range []struct{ content, want string }{
		{"", "the token file " + token + " is empty; put a token into it: kubectl create token SERVICEACCOUNT"},
		{"a\nb", "the daemon's own token holds blanks or control characters; correct it: kubectl create token SERVICEACCOUNT"},
	} {
		write(t, dir, "token", tt.content)
		if _, err := v.Verify(t.Context(), podToken()); err == nil || err.Error() != tt.want {
			t.Errorf("got %v", err)
		}
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	want := "the token file " + token + " cannot be read: no such file or directory; let the daemon's user read it"
	if _, err := v.Verify(t.Context(), podToken()); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestNew_MergesKubeconfigsAsKubectlDoes(t *testing.T) {
	dir := t.TempDir()
	first := write(t, dir, "first", "current-context: two\n"+
		"clusters: [{name: shared, cluster: {server: 'https://first:1'}}]\ncontexts: [{name: one, context: {cluster: shared, user: u}}]\n")
	second := write(t, dir, "second", "current-context: one\nclusters: [{name: shared, cluster: {server: 'https://second:2'}}, {name: b, cluster: {server: 'https://b:3'}}]\n"+
		"contexts: [{name: two, context: {cluster: b, user: u}}, {name: one, context: {cluster: b, user: u}}]\nusers: [{name: u, user: {token: x}}]\n")
	list := func(files ...string) func(string) string {
		return func(name string) string {
			if name == "KUBECONFIG" {
				return strings.Join(files, string(filepath.ListSeparator))
			}
			return ""
		}
	}
	for _, tt := range []struct {
		name    string
		opt     Options
		want    string
		wantErr string
	}{
		{name: "first wins", opt: Options{Getenv: list(first, second)}, want: "https://b:3"},
		{name: "first entry wins", opt: Options{Getenv: list(first, second), Context: "one"}, want: "https://first:1"},
		{name: "other order", opt: Options{Getenv: list(second, first)}, want: "https://b:3"},
		{name: "missing files", opt: Options{Getenv: list(dir+"/none", "", second)}, want: "https://b:3"},
		{name: "a file before the variable", opt: Options{Kubeconfig: second, Getenv: list(first), Context: "two"}, want: "https://b:3"},
		{name: "all missing", opt: Options{Getenv: list("/none", "/neither")}, wantErr: "kubeconfig /none, /neither: none of the files exists; correct KUBECONFIG, or set pod_identity.kubeconfig"},
		{name: "one missing", opt: Options{Kubeconfig: "/none"}, wantErr: "kubeconfig /none: cannot be read: no such file or directory; set pod_identity.kubeconfig to a file that the daemon's user can read"},
		{name: "unknown context", opt: Options{Kubeconfig: second, Context: "x"}, wantErr: `kubeconfig ` + second + `: the context "x" does not exist; choose one of: kubectl config get-contexts`},
		{name: "unknown user", opt: Options{Kubeconfig: first, Context: "one"}, wantErr: `kubeconfig ` + first + `: the user "u" of the context "one" does not exist; correct the context: kubectl config set-context`},
		{name: "nothing", opt: Options{Getenv: noEnv}, wantErr: "pod_identity.verify tokenreview: no API server; set pod_identity.kubeconfig, such as to ~/.kube/config"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := New(tt.opt)
			switch {
			case err == nil && v.Server() != tt.want:
				t.Errorf("server %s, want %s", v.Server(), tt.want)
			case err != nil && err.Error() != tt.wantErr:
				t.Errorf("got %v\nwant %s", err, tt.wantErr)
			}
		})
	}
}

func TestNew_UsesTheServiceAccountOfItsPod(t *testing.T) {
	s := newAPIServer(t)
	dir := t.TempDir()
	write(t, dir, "ca.crt", s.ca())
	write(t, dir, "token", ownToken)
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "https://"), ":")
	env := map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
	v, err := New(Options{Audience: audience, Getenv: func(name string) string { return env[name] }, ServiceAccountDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), podToken()); err != nil || s.header.Get("Authorization") != "Bearer "+ownToken {
		t.Errorf("asked with %q, %v", s.header.Get("Authorization"), err)
	}
	_, err = New(Options{Audience: audience, Getenv: func(name string) string { return env[name] }, ServiceAccountDir: "/none"})
	const want = "service account of the daemon's pod: the certificate-authority /none/ca.crt cannot be read: no such file or directory; let the daemon's user read it"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestNew_ExplainsWhatItCannotUse(t *testing.T) {
	cert, _ := clientPair(t)
	const server = "server: 'https://c:6443'"
	const clear = "the server of the cluster is not an https URL, and tokens must not be sent in the clear; correct it: kubectl config set-cluster NAME --server=https://…"
	const noURL = "the server of the cluster is not a URL; correct it: kubectl config set-cluster NAME --server=https://…"
	for _, tt := range []struct{ name, text, want string }{
		{"exec", config(server, "exec: {command: aws, args: [eks, get-token], env: [{name: A, value: "+ownToken+"}]}"), "the user has an exec plugin (aws), which the daemon does not run; use a token: kubectl create token SERVICEACCOUNT"},
		{"auth-provider", config(server, "auth-provider: {name: gcp, config: {access-token: "+ownToken+"}}"), "the user has the auth-provider gcp, which is not supported; use a token: kubectl create token SERVICEACCOUNT"},
		{"password", config(server, "username: a, password: "+ownToken), "the user has a username and password, which Kubernetes does not accept any more; use a token: kubectl create token SERVICEACCOUNT"},
		{"impersonation", config(server, "token: x, as: admin"), "the user impersonates another (as), which is not supported; use a token: kubectl create token SERVICEACCOUNT"},
		{"in the clear", config("server: 'http://192.0.2.1:8080'", ""), clear},
		{"another scheme", config("server: 'unix://x'", ""), clear},
		{"no server", config("", ""), noURL},
		{"password in the URL", config("server: 'https://a:"+ownToken+"@c'", ""), noURL},
		{"CA", config(server+", certificate-authority-data: "+encoded("x"), ""), "the certificate-authority of the cluster holds no certificate in PEM; correct it"},
		{"CA that is not base64", config(server+", certificate-authority-data: '-'", ""), "the certificate-authority-data is not base64; correct it"},
		{"no key", config(server, "client-certificate-data: "+encoded(cert)), "the client-key is missing; add it"},
		{"another key", config(server, "client-certificate-data: "+encoded(cert)+", client-key-data: "+encoded("x")), "the client-certificate and the client-key of the user are no pair in PEM; correct them"},
		{"no certificate file", config(server, "client-certificate: /none"), "the client-certificate /none cannot be read: no such file or directory; let the daemon's user read it"},
		{"proxy", config(server+", proxy-url: 'x'", ""), "the proxy-url of the cluster is not a URL; correct it"},
		{"no context", "clusters: []", "no current-context; choose one: kubectl config use-context NAME"},
		{"unknown cluster", "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]", `the cluster "b" of the context "a" does not exist; correct the context: kubectl config set-context`},
		{"no YAML", "token: [" + ownToken, "not a kubeconfig in YAML; check it: kubectl config view"},
		{"another type", "users: " + ownToken, "not a kubeconfig in YAML; check it: kubectl config view"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, t.TempDir(), "config", tt.text)
			_, err := New(Options{Kubeconfig: file, Audience: audience, Getenv: noEnv})
			if want := "kubeconfig " + file + ": " + tt.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if err != nil && holdsToken(err.Error()) {
				t.Errorf("%s shows a token", err)
			}
		})
	}
}

func TestNew_AllowsAServerInTheClearOnThisMachine(t *testing.T) {
	for _, address := range []string{"http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001"} {
		file := write(t, t.TempDir(), "config", config("server: '"+address+"/'", ""))
		v, err := New(Options{Kubeconfig: file, Audience: audience, Getenv: noEnv})
		if err != nil || v.Server() != address {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func FuzzKubeconfig(f *testing.F) {
	f.Add([]byte(config("server: 'https://c:6443'", "token: x")))
	f.Add([]byte(config("server: 'https://c'", "exec: {command: [a]}")))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("users: [{user: {exec: *x}}]"))
	f.Add([]byte("users: &u [{name: c, user: {exec: &e {command: &c x}, auth-provider: *e}}]\ncontexts: [{name: c, context: {cluster: c, user: c}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseKubeconfig(text)
		if err != nil {
			return
		}
		for _, context := range []string{"", "c"} {
			cluster, user, err := c.entries(context)
			if err != nil {
				continue
			}
			_ = user.unsupported()
			if address, err := parseServer(cluster.Server); err == nil && !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
				t.Errorf("server %q", address)
			}
		}
	})
}
