package instance

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestSettle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, ErrNone) {
		t.Fatalf("Load of an empty directory: %v, want ErrNone", err)
	}
	want := Instance{Region: "us-west-2", Listen: "127.0.0.1:4566", LBAddress: netip.MustParseAddr("127.0.0.1"), VPCCIDR: netip.MustParsePrefix("172.31.0.0/16")}
	made, err := Settle(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.ID) != 12 || len(made.AccountID) != 12 {
		t.Errorf("made %+v, want an id of 12 hex digits and an account of 12 digits", made)
	}
	want.Listen = "127.0.0.1:4567"
	again, err := Settle(dir, want)
	if err != nil || again.ID != made.ID || again.AccountID != made.AccountID || again.Listen != want.Listen {
		t.Errorf("Settle again = %+v, %v; want id and account of %+v and the new address", again, err, made)
	}
	if is, err := Load(dir); err != nil || is != again {
		t.Errorf("Load = %+v, %v; want %+v", is, err, again)
	}
	for _, change := range []func(*Instance){
		func(i *Instance) { i.AccountID = "111111111111" },
		func(i *Instance) { i.Region = "eu-west-1" },
		func(i *Instance) { i.VPCCIDR = netip.MustParsePrefix("10.0.0.0/16") },
	} {
		bad := want
		change(&bad)
		if _, err := Settle(dir, bad); err == nil || !strings.Contains(err.Error(), "can't change") {
			t.Errorf("Settle(%+v) = %v, want an error that it can't change", bad, err)
		}
	}
}

// TestStartsOnAFullDisk: what didn't change isn't written again, and takes no room.
func TestStartsOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	want := Instance{Region: "us-west-2", Listen: "127.0.0.1:4566", LBAddress: netip.MustParseAddr("127.0.0.1"), VPCCIDR: netip.MustParsePrefix("172.31.0.0/16")}
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	made, err := Settle(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
	if err := os.WriteFile(dir+"/ballast", make([]byte, 64<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	if l, err = Acquire(dir); err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if again, err := Settle(dir, want); err != nil || again != made {
		t.Errorf("Settle on a full disk = %+v, %v; want %+v", again, err, made)
	}
}

func TestAcquire(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/new"
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(dir)
	held, ok := errors.AsType[*ErrHeld](err)
	if !ok || held.PID != os.Getpid() {
		t.Fatalf("second Acquire: %v, want ErrHeld by %d", err, os.Getpid())
	}
	l.Release()
	if l, err = Acquire(dir); err != nil {
		t.Fatalf("Acquire after Release: %v", err)
	}
	l.Release()
}

func TestUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Use(dir, Docker, ""); !errors.Is(err, ErrNone) {
		t.Errorf("Use of an empty directory: %v, want ErrNone", err)
	}
	want := Instance{Region: "us-west-2", Listen: "127.0.0.1:4566", LBAddress: netip.MustParseAddr("127.0.0.1"), VPCCIDR: netip.MustParsePrefix("172.31.0.0/16")}
	made, err := Settle(dir, want)
	if err != nil || made.Engine != NoEngine {
		t.Fatalf("Settle = %+v, %v; want no engine", made, err)
	}
	if err := Use(dir, Containerd, "/run/c.sock"); err != nil {
		t.Fatal(err)
	}
	made.Engine, made.Containerd = Containerd, "/run/c.sock"
	if is, err := Settle(dir, want); err != nil || is != made {
		t.Errorf("Settle = %+v, %v; want %+v", is, err, made)
	}
	// What a release wrote that knew Docker only.
	text := `{"id":"0123456789ab","region":"us-west-2","vpcCidr":"172.31.0.0/16","lbAddress":"127.0.0.1"}`
	if err := os.WriteFile(dir+"/instance.json", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if is, err := Load(dir); err != nil || is.Engine != Docker {
		t.Errorf("Load = %+v, %v; want Docker", is, err)
	}
}
