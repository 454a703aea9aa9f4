package imagefile

import (
	"bytes"
	"debug/elf"
	"strings"
	"testing"
)

func TestWrite_BadInputIsTold(t *testing.T) {
	good := someOptions(t)
	for _, c := range []struct {
		name string
		edit func(*Options)
		want string
	}{
		{"no tag", func(o *Options) { o.Tag = "" }, "image: no tag"},
		{"no executable", func(o *Options) { o.Executable = "/nowhere" }, "image's executable: open /nowhere: no such file or directory"},
		{"no program", func(o *Options) { o.Executable = write(t, "x", []byte("#!/bin/sh\n")) }, "image's executable: FILE is not for Linux; build the image from the repository: ./build-docker.sh"},
		{"dynamic", func(o *Options) { o.Executable = write(t, "x", program(t, elf.EM_X86_64, elf.PT_INTERP)) }, "image's executable: FILE is linked dynamically; build it by make kube, or with CGO_ENABLED=0"},
		{"another machine", func(o *Options) { o.Executable = write(t, "x", program(t, elf.EM_RISCV, elf.PT_LOAD)) }, "image's executable: FILE is for EM_RISCV; images are for amd64 and arm64"},
		{"no bundle", func(o *Options) { o.CABundle = "/nowhere" }, "CA bundle: open /nowhere: no such file or directory"},
		{"bundle without certificates", func(o *Options) { o.CABundle = write(t, "x", []byte("none")) }, "CA bundle: BUNDLE holds no certificate in PEM"},
		{"no zoneinfo", func(o *Options) { o.Zoneinfo = "/nowhere" }, "image: stat /nowhere: no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.edit(&o)
			var b bytes.Buffer
			err := Write(&b, o)
			want := strings.NewReplacer("FILE", o.Executable, "BUNDLE", o.CABundle).Replace(c.want)
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if b.Len() > 0 {
				t.Errorf("it wrote %d bytes", b.Len())
			}
		})
	}
}

func TestArchitecture_IsTheExecutables(t *testing.T) {
	for machine, want := range map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"} {
		if got, err := architectureOf(write(t, "x", program(t, machine, elf.PT_LOAD))); got != want || err != nil {
			t.Errorf("%v: got %q, %v, want %q", machine, got, err, want)
		}
	}
}

func TestBundle_IsTheFirstThatIsThere(t *testing.T) {
	first, second := write(t, "a", certificate), write(t, "b", certificate)
	if got, err := findBundleAmong("", []string{"/nowhere", first, second}); got != first || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, first)
	}
	empty := write(t, "c", nil)
	if _, err := findBundleAmong("", []string{empty, second}); err == nil {
		t.Error("an empty one was passed over")
	}
	_, err := findBundleAmong("", []string{"/nowhere", "/neither"})
	if want := "CA bundle: none of /nowhere, /neither is here; install ca-certificates"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
