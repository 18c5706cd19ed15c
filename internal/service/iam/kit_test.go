package iam_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/store/memstore"
)

const (
	account = "123456789012"
	trust   = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	readS3  = `{"Version": "2012-10-17", "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}`
	readAWS = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
)

// kit is IAM on records in memory.
type kit struct {
	*iam.API
	t   *testing.T
	ctx context.Context
	db  *memstore.DB
}

func newKit(t *testing.T) kit {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	ctx := caller.With(t.Context(), caller.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account})
	return kit{iam.New(db, account, seal.NewKey().For("iam")), t, ctx, db}
}

// as is a context in which a user calls.
func (k kit) as(user string) context.Context {
	return caller.With(k.ctx, caller.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/" + user})
}

// said is an error as a client sees it.
func said(err error) string {
	if err == nil {
		return ""
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return "NOT FOR CALLERS: " + err.Error()
	}
	return api.ErrorCode() + ": " + api.ErrorMessage()
}

// want fails when a call says something else. A want that ends in "…" is the beginning.
func (k kit) want(err error, want string) {
	k.t.Helper()
	got := said(err)
	if start, more := strings.CutSuffix(want, "…"); got == want || more && strings.HasPrefix(got, start) {
		return
	}
	k.t.Errorf("got %q, want %q", got, want)
}

// must ends the test when a call fails.
func must[O any](out O, err error) func(t *testing.T) O {
	return func(t *testing.T) O {
		t.Helper()
		if err != nil {
			t.Fatal(said(err))
		}
		return out
	}
}

// plain decodes a document of an answer.
func plain(t *testing.T, text *string) string {
	t.Helper()
	if text == nil {
		t.Fatal("no document")
	}
	if strings.ContainsAny(*text, "+ {") {
		t.Errorf("%s isn't encoded by RFC 3986", *text)
	}
	s, err := url.PathUnescape(*text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
