package imagefile

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// program is an executable as far as it is read: ELF's header, one part, some bytes.
func program(t *testing.T, machine elf.Machine, part elf.ProgType) []byte {
	t.Helper()
	head := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	var b bytes.Buffer
	for _, v := range []any{head, elf.Prog64{Type: uint32(part)}, bytes.Repeat([]byte("code"), 50_000)} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})

func someOptions(t *testing.T) Options {
	t.Helper()
	return Options{
		Executable: write(t, "program", program(t, elf.EM_X86_64, elf.PT_LOAD)),
		CABundle:   write(t, "ca.pem", certificate),
		Tag:        "0123456789ab",
	}
}

func archiveOf(t *testing.T, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// member is what a tar has of one name.
type member struct {
	header *tar.Header
	text   []byte
}

// members reads a tar; all that it does not have must be as in every one of ours.
func members(t *testing.T, text []byte) (names []string, byName map[string]member) {
	t.Helper()
	byName = map[string]member{}
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, byName
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s has a time or an owner: %+v", h.Name, h)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names, byName[h.Name] = append(names, h.Name), member{h, content}
	}
}

func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestWrite_SameInputSameBytes(t *testing.T) {
	o := someOptions(t)
	first := archiveOf(t, o)
	for _, file := range []string{o.Executable, o.CABundle} { // other times and modes
		if err := errors.Join(os.Chtimes(file, time.Now(), time.Now().Add(time.Hour)), os.Chmod(file, 0o444)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first, archiveOf(t, o)) {
		t.Error("the second time it made other bytes")
	}
	o.Version = "1.2.3"
	if bytes.Equal(first, archiveOf(t, o)) {
		t.Error("another version made the same bytes")
	}
}

func TestWrite_BlobsAreWhatTheirNamesSay(t *testing.T) {
	names, all := members(t, archiveOf(t, someOptions(t)))
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %q", names)
	}
	count := 0
	for name, m := range all {
		digest, isBlob := strings.CutPrefix(name, blobs)
		if !isBlob || digest == "" {
			continue
		}
		count++
		if sum := sha256.Sum256(m.text); hex.EncodeToString(sum[:]) != digest {
			t.Errorf("%s has another digest", name)
		}
	}
	if count != 3 {
		t.Errorf("%d blobs, want the manifest, the configuration and the layer", count)
	}
}

func TestWrite_BothFormatsLeadToTheSameImage(t *testing.T) {
	o := someOptions(t)
	o.Version, o.Env = "1.2.3", []string{"A=b"}
	_, all := members(t, archiveOf(t, o))
	if got := string(all["oci-layout"].text); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
	index := decode[imageIndex](t, all["index.json"].text)
	listed := index.Manifests[0]
	if got, want := listed.Annotations["io.containerd.image.name"], "localhost/mock-ec2-metadata-kube:0123456789ab"; got != want {
		t.Errorf("containerd's name is %q, want %q", got, want)
	}
	path := func(d descriptor) string {
		name := blobs + strings.TrimPrefix(d.Digest, "sha256:")
		if got := int64(len(all[name].text)); got != d.Size {
			t.Errorf("%s has %d bytes, want %d", d.MediaType, got, d.Size)
		}
		return name
	}
	manifest := decode[imageManifest](t, all[path(listed)].text)
	configPath, layerPath := path(manifest.Config), path(manifest.Layers[0])
	docker := decode[[]dockerImage](t, all["manifest.json"].text)
	want := []dockerImage{{Config: configPath, Layers: []string{layerPath}, RepoTags: []string{"localhost/mock-ec2-metadata-kube:0123456789ab"}}}
	if diff := cmp.Diff(want, docker); diff != "" {
		t.Errorf("manifest.json (-want +got):\n%s", diff)
	}
	config := decode[imageConfig](t, all[configPath].text)
	wantConfig := imageConfig{
		platform: platform{Architecture: "amd64", OS: "linux"},
		Created:  epoch,
		Config: runConfig{
			User: "65532:65532", Env: []string{"HOME=/home/mock", "A=b"}, Entrypoint: []string{"/mock-ec2-metadata-kube"}, WorkingDir: "/",
			Labels: map[string]string{
				"org.opencontainers.image.title":       "mock-ec2-metadata-kube",
				"org.opencontainers.image.description": "The EC2 Instance Metadata Service of a Kubernetes cluster: every pod its role",
				"org.opencontainers.image.licenses":    "MIT",
				"org.opencontainers.image.version":     "1.2.3",
			},
		},
		RootFS:  rootFS{Type: "layers", DiffIDs: []string{manifest.Layers[0].Digest}},
		History: []history{{Created: epoch, CreatedBy: "mock-ec2-metadata-kube image"}},
	}
	if diff := cmp.Diff(wantConfig, config, cmp.AllowUnexported(imageConfig{})); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// layerOf lists the layer as "MODE NAME SIZE".
func layerOf(t *testing.T, o Options) []string {
	t.Helper()
	_, all := members(t, archiveOf(t, o))
	docker := decode[[]dockerImage](t, all["manifest.json"].text)
	names, files := members(t, all[docker[0].Layers[0]].text)
	var lines []string
	for _, name := range names {
		lines = append(lines, fmt.Sprintf("%o %s %d", files[name].header.Mode, name, len(files[name].text)))
	}
	return lines
}

func TestWrite_LayerIsTheDockerfilesLastStage(t *testing.T) {
	o := someOptions(t)
	want := []string{
		"755 conf/ 0", "755 etc/ 0", "755 etc/ssl/ 0", "755 etc/ssl/certs/ 0",
		fmt.Sprintf("644 etc/ssl/certs/ca-certificates.crt %d", len(certificate)),
		"755 home/ 0", "755 home/mock/ 0", "755 home/mock/.aws/ 0", "755 home/mock/.local/ 0", "755 home/mock/.local/state/ 0", "755 home/mock/.local/state/mock-ec2-metadata/ 0",
		"755 mock-ec2-metadata-kube 200120", "1777 tmp/ 0",
	}
	if diff := cmp.Diff(want, layerOf(t, o)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o.Zoneinfo = write(t, "zoneinfo.zip", []byte("zip"))
	want = append(want, "755 usr/ 0", "755 usr/share/ 0", "644 usr/share/zoneinfo.zip 3")
	if diff := cmp.Diff(want, layerOf(t, o)); diff != "" {
		t.Errorf("with zoneinfo (-want +got):\n%s", diff)
	}
}

func TestWrite_FileThatChangesMeanwhileIsAnError(t *testing.T) {
	o := someOptions(t)
	text := program(t, elf.EM_X86_64, elf.PT_LOAD)
	for _, c := range []struct {
		name, want string
		text       []byte
	}{
		{"as long as before", "image: a file has changed while it was read; try again", append(slices.Clone(text[:len(text)-1]), 'x')},
		{"shorter", "image: archive/tar: missed writing 1 bytes", text[:len(text)-1]},
		{"longer", "image: " + o.Executable + ": archive/tar: write too long", append(slices.Clone(text), 'x')},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(o.Executable, text, 0o600); err != nil {
				t.Fatal(err)
			}
			change := func() {
				if err := os.WriteFile(o.Executable, c.text, 0o600); err != nil {
					t.Error(err)
				}
			}
			err := Write(&firstWrite{do: change}, o)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// firstWrite does something when the archive begins.
type firstWrite struct{ do func() }

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.do != nil {
		w.do()
		w.do = nil
	}
	return len(p), nil
}

func TestWrite_ErrorOfTheWriterIsReturned(t *testing.T) {
	r, w := io.Pipe()
	_ = r.CloseWithError(io.ErrShortWrite)
	if err := Write(w, someOptions(t)); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
}

func TestTag_IsOfTheExecutable(t *testing.T) {
	got, err := Tag(write(t, "program", []byte("hello")))
	if want := "2cf24dba5fb0"; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := Tag("/nowhere"); err == nil || err.Error() != "image's tag: open /nowhere: no such file or directory" {
		t.Errorf("got %v", err)
	}
}
