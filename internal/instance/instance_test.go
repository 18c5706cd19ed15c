package instance

import (
	"errors"
	"net/netip"
	"os"
	"strings"
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
