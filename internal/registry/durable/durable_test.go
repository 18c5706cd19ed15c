package durable

import (
	"errors"
	"os"
	"syscall"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

func TestIsFull(t *testing.T) {
	t.Parallel()
	err := storagedriver.Error{DriverName: "filesystem", Detail: &os.PathError{Op: "mkdir", Path: "/", Err: syscall.ENOSPC}}
	if !IsFull(err) {
		t.Error("a full disk is not seen through the driver's error")
	}
	if IsFull(errors.New("the store is away")) || IsFull(nil) {
		t.Error("any error is taken for a full disk")
	}
}
