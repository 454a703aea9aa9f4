package podidentity

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

// tokenOf is a token of shop/web for a pod.
func tokenOf(pod string) Token {
	return Token{
		Namespace: "shop", ServiceAccount: "web", PodName: pod, Issuer: issuer, Audience: audience,
		IssuedAt: start.Add(500 * time.Millisecond), Lifetime: time.Hour,
	}
}

func newTestSigner(t testing.TB) *Signer {
	t.Helper()
	s, err := newSigner(rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSigner_SignsWhatItsKeysVerify(t *testing.T) {
	s := newTestSigner(t)
	j, err := NewJWKS(JWKSOptions{Document: s.JWKS(), Audience: audience, Issuer: issuer, Now: func() time.Time { return start.Add(time.Second) }, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	var pods []*Claims
	for _, name := range []string{"web-0", "web-1", "web-0", ""} {
		token, err := s.Sign(tokenOf(name))
		if err != nil {
			t.Fatal(err)
		}
		pod, err := j.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		pods = append(pods, pod)
	}
	if pods[0].PodUID == pods[1].PodUID || pods[0].PodUID != pods[2].PodUID || len(pods[0].PodUID) != 36 {
		t.Errorf("UIDs %q, %q, %q", pods[0].PodUID, pods[1].PodUID, pods[2].PodUID)
	}
	if pods[3].PodName != "" || pods[3].PodUID != "" {
		t.Errorf("a token without a pod is bound to %+v", pods[3])
	}
	if got := pods[0].Expires; !got.Equal(start.Add(time.Hour)) {
		t.Errorf("expires %s", got)
	}
}

// The claims are those of container-credentials-reference section 5.5.
func TestSigner_WritesTheClaimsOfKubernetes(t *testing.T) {
	token := tokenOf("web-0")
	token.PodUID = "pod-uid"
	text, err := newTestSigner(t).Sign(token)
	if err != nil {
		t.Fatal(err)
	}
	parsed, _, err := jwt.NewParser().ParseUnverified(text, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(newTestSigner(t).JWKS(), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("key set %s", newTestSigner(t).JWKS())
	}
	if diff := cmp.Diff(map[string]any{"alg": "RS256", "typ": "JWT", "kid": set.Keys[0]["kid"]}, parsed.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	claims := parsed.Claims.(jwt.MapClaims)
	if id, _ := claims["jti"].(string); len(id) != 36 {
		t.Errorf("jti %v", claims["jti"])
	}
	delete(claims, "jti")
	account := claims["kubernetes.io"].(map[string]any)["serviceaccount"].(map[string]any)
	if uid, _ := account["uid"].(string); len(uid) != 36 {
		t.Errorf("UID %q", uid)
	}
	delete(account, "uid")
	want := jwt.MapClaims{
		"iss": issuer, "sub": "system:serviceaccount:shop:web", "aud": []any{audience},
		"exp": float64(start.Unix() + 3600), "nbf": float64(start.Unix()), "iat": float64(start.Unix()),
		"kubernetes.io": map[string]any{
			"namespace": "shop", "serviceaccount": map[string]any{"name": "web"}, "pod": map[string]any{"name": "web-0", "uid": "pod-uid"},
		},
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	public := set.Keys[0]
	if public["kty"] != "RSA" || public["use"] != "sig" || public["alg"] != "RS256" || public["d"] != "" || len(public["kid"]) != 43 {
		t.Errorf("key set %v", public)
	}
}

func TestSigner_MakesNoTwoEqualTokens(t *testing.T) {
	s := newTestSigner(t)
	first, _ := s.Sign(tokenOf("web-0"))
	second, _ := s.Sign(tokenOf("web-0"))
	if first == second {
		t.Error("two tokens are equal")
	}
}

func TestSigner_ExplainsBadTokens(t *testing.T) {
	for _, tt := range []struct {
		change func(*Token)
		want   string
	}{
		{func(k *Token) { k.Namespace = "a:b" }, `namespace "a:b": not a name of Kubernetes; use letters, digits and -`},
		{func(k *Token) { k.ServiceAccount = "" }, `service account "": not a name of Kubernetes; use letters, digits, - and dots`},
		{func(k *Token) { k.PodName = "a\nb" }, `pod "a\nb" with UID "": not names of Kubernetes; use letters, digits, - and dots`},
		{func(k *Token) { k.PodName, k.PodUID = "", "1" }, `pod UID "1": the pod has no name; name it`},
		{func(k *Token) { k.Issuer = "" }, "issuer of the token: empty; set pod_identity.issuer"},
		{func(k *Token) { k.Audience = "" }, "audience of the token: empty; set pod_identity.audience"},
		{func(k *Token) { k.Lifetime = 0 }, "lifetime 0s of the token: shorter than a second; make it longer"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			token := tokenOf("web-0")
			tt.change(&token)
			if text, err := newTestSigner(t).Sign(token); errorText(err) != tt.want || text != "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOpenSigner_KeepsItsKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	var group sync.WaitGroup
	sets := make([]string, 4)
	for i := range sets {
		group.Go(func() {
			s, err := OpenSigner(dir)
			if err != nil {
				t.Error(err)
				return
			}
			sets[i] = string(s.JWKS())
		})
	}
	group.Wait()
	for _, set := range sets {
		if set != sets[0] || set == "" {
			t.Errorf("signers of one directory have different keys")
		}
	}
	files, _ := os.ReadDir(dir)
	if len(files) != 1 {
		t.Errorf("files %v", files)
	}
	info, err := os.Stat(filepath.Join(dir, "pod-identity.pem"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("file %v, %v", info, err)
	}
	if info, err = os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory %v, %v", info, err)
	}
}

func TestOpenSigner_ExplainsAnUnusableFile(t *testing.T) {
	const fix = "; delete it to have a new one made; tokens from before are not valid then"
	for _, tt := range []struct {
		name string
		make func(file string) error
		want string
	}{
		{"readable by others", func(file string) error {
			if err := makeSigner(filepath.Dir(file), os.Link); err != nil {
				return err
			}
			return os.Chmod(file, 0o640)
		}, "other users can read it: mode 0640 instead of 0600" + fix},
		{"damaged", func(file string) error { return os.WriteFile(file, []byte("x"), 0o600) }, "it is damaged" + fix},
		{"another type", func(file string) error {
			return os.WriteFile(file, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600)
		}, "it is damaged" + fix},
		{"empty", func(file string) error { return os.WriteFile(file, nil, 0o600) }, "it is damaged" + fix},
		{"directory", func(file string) error { return os.Mkdir(file, 0o700) }, "it is not a regular file" + fix},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, signerFile)
			if err := tt.make(file); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenSigner(dir); errorText(err) != "key of pod tokens "+file+": "+tt.want {
				t.Errorf("got %v", err)
			}
			if _, err := os.Lstat(file); err != nil {
				t.Error("the file is gone")
			}
		})
	}
}

func TestOpenSigner_ExplainsAnUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenSigner(file)
	want := "key of pod tokens " + filepath.Join(file, signerFile) +
		": not a directory; set identity.state_dir to a directory that the daemon's user alone can read and write"
	if errorText(err) != want {
		t.Errorf("got %v", err)
	}
}

func TestMakeSigner_RenamesWithoutHardLinks(t *testing.T) {
	dir := t.TempDir()
	noLinks := func(string, string) error { return errors.New("not supported") }
	if err := makeSigner(dir, noLinks); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, signerFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := makeSigner(dir, noLinks); err != nil {
		t.Fatal(err)
	}
	second, _ := os.ReadFile(filepath.Join(dir, signerFile))
	if string(first) != string(second) || !strings.HasPrefix(string(first), "-----BEGIN PRIVATE KEY-----") {
		t.Error("the key was replaced")
	}
	if _, err := readSigner(filepath.Join(dir, "other")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
