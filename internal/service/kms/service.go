package kms

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// managed are the services that have a key of their own, with its description.
var managed = map[string]string{
	"secretsmanager": "Default key that protects my Secrets Manager secrets when no other key is defined",
	"ssm":            "Default key that protects my SSM parameters when no other key is defined",
	"ecr":            "Default key that protects my ECR data when no other key is defined",
	"s3":             "Default key that protects my S3 objects when no other key is defined",
}

// managedPolicy lets the account use a service's key through that service, and look
// at it.
const managedPolicy = `{
  "Version" : "2012-10-17",
  "Id" : "auto-%[1]s-1",
  "Statement" : [ {
    "Sid" : "Allow access through %[1]s for all principals in the account that are authorized to use it",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "%[2]s",
        "kms:ViaService" : "%[1]s.%[3]s.amazonaws.com"
      }
    }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::%[2]s:root"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  } ]
}`

// ensure returns the id of a service's own key, which is made when there is none yet.
func (a *API) ensure(ctx context.Context, service string) (string, error) {
	alias := reserved + service
	has, err := handler.View(ctx, a.db, func(tx store.Tx) (Alias, error) {
		has, _, err := handler.Find(tx, aliases, alias)
		return has, err
	})
	if err != nil || has.KeyID != "" {
		return has.KeyID, err
	}
	k := Key{
		Description: managed[service], Spec: types.KeySpecSymmetricDefault, Usage: types.KeyUsageTypeEncryptDecrypt, Service: service,
		Policy: fmt.Sprintf(managedPolicy, service, a.ns.Account, a.ns.Region),
	}
	m, err := a.make(&k)
	if err != nil {
		return "", err
	}
	k.Rotation = Rotation{Days: usualPeriod, Next: time.Now().UTC().AddDate(0, 0, usualPeriod)}
	return handler.Update(ctx, a.db, func(tx store.Tx) (string, error) {
		has, there, err := handler.Find(tx, aliases, alias)
		if err != nil || there {
			return has.KeyID, err
		}
		if err := aliases.Put(tx, alias, Alias{Name: alias, KeyID: k.ID, CreatedAt: k.CreatedAt, UpdatedAt: k.CreatedAt}); err != nil {
			return "", err
		}
		return k.ID, a.put(tx, k, m)
	})
}

// ensureNamed makes a service's key when ref is its alias.
func (a *API) ensureNamed(ctx context.Context, ref string) error {
	name, err := a.local(ref)
	if err != nil {
		return err
	}
	service, ok := strings.CutPrefix(name, reserved)
	if _, known := managed[service]; !ok || !known {
		return nil
	}
	_, err = a.ensure(ctx, service)
	return err
}

// described returns the key that ref names.
func (a *API) described(ctx context.Context, ref string) (Key, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (Key, error) { return a.find(tx, ref) })
}

// For is KMS as a service uses it for what it keeps: under a key that the caller
// named, or its own.
type For struct {
	api     *API
	service string
}

// For returns KMS for the service of that name, such as "secretsmanager".
func (a *API) For(service string) For { return For{a, service} }

func (f For) use(action string, context map[string]string) use {
	return use{action: action, usage: types.KeyUsageTypeEncryptDecrypt, via: f.service, context: context}
}

// Seal encrypts plain under the key that ref names; "" is the service's own, which
// is made when there is none yet. It returns the ciphertext and the key's ARN.
func (f For) Seal(ctx context.Context, ref string, context map[string]string, plain []byte) (blob []byte, key string, err error) {
	return f.sealAs(ctx, "GenerateDataKey", ref, context, plain)
}

// Encrypt is Seal for what a service of AWS encrypts without a data key: the caller must be allowed kms:Encrypt.
func (f For) Encrypt(ctx context.Context, ref string, context map[string]string, plain []byte) (blob []byte, key string, err error) {
	return f.sealAs(ctx, "Encrypt", ref, context, plain)
}

func (f For) sealAs(ctx context.Context, action, ref string, context map[string]string, plain []byte) (blob []byte, key string, err error) {
	if ref == "" {
		ref = reserved + f.service
	}
	if err := f.api.ensureNamed(ctx, ref); err != nil {
		return nil, "", err
	}
	o, err := f.api.openSymmetric(ctx, ref, f.use(action, context))
	if err != nil {
		return nil, "", err
	}
	return o.seal(context, plain), f.api.keyARN(o.ID), nil
}

// Open decrypts what Seal encrypted with the same context.
func (f For) Open(ctx context.Context, context map[string]string, blob []byte) ([]byte, error) {
	plain, _, err := f.api.unseal(ctx, nil, blob, context, f.use("Decrypt", context))
	return plain, err
}
