package secretsmanager

import (
	"context"
	"crypto/rand"
	"math/big"
	"strings"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// The characters that a password is made of
// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html).
const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	numbers     = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// The length of a password.
const usualPassword, maxPassword = 32, 4096

// GetRandomPassword makes a password. It has a character of each type that is not
// excluded, unless the call says otherwise.
func (a *API) GetRandomPassword(_ context.Context, in *sm.GetRandomPasswordInput) (*sm.GetRandomPasswordOutput, error) {
	is := func(b *bool) bool { return b != nil && *b }
	n := int64(usualPassword)
	if in.PasswordLength != nil {
		n = *in.PasswordLength
	}
	if n < 1 || n > maxPassword {
		return nil, invalid("InvalidParameterException: The password length must be between 1 and %d.", maxPassword)
	}
	var sets []string
	for _, set := range []struct {
		characters string
		out        bool
	}{
		{lowercase, is(in.ExcludeLowercase)},
		{uppercase, is(in.ExcludeUppercase)},
		{numbers, is(in.ExcludeNumbers)},
		{punctuation, is(in.ExcludePunctuation)},
		{" ", !is(in.IncludeSpace)},
	} {
		left := strings.Map(func(r rune) rune {
			if strings.ContainsRune(deref(in.ExcludeCharacters), r) {
				return -1
			}
			return r
		}, set.characters)
		if !set.out && left != "" {
			sets = append(sets, left)
		}
	}
	if len(sets) == 0 {
		return nil, invalid("You must include at least one character type in the password.")
	}
	each := in.RequireEachIncludedType == nil || *in.RequireEachIncludedType
	if each && n < int64(len(sets)) {
		return nil, invalid("The password length is too short for one character of each included type: it must be at least %d.", len(sets))
	}
	return &sm.GetRandomPasswordOutput{RandomPassword: new(password(int(n), sets, each))}, nil
}

// password makes one of n characters of the sets, with one of each if that is wanted.
func password(n int, sets []string, each bool) string {
	out := make([]byte, 0, n)
	if each {
		for _, set := range sets {
			out = append(out, pick(set))
		}
	}
	all := strings.Join(sets, "")
	for len(out) < n {
		out = append(out, pick(all))
	}
	for i := len(out) - 1; i > 0; i-- { // where the first ones stand tells nothing
		j, err := rand.Int(rand.Reader, big.NewInt(int64(i+1)))
		if err != nil {
			panic(err) // the system's randomness does not fail
		}
		k := j.Int64()
		out[i], out[k] = out[k], out[i]
	}
	return string(out)
}
