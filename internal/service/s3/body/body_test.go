package body

import (
	"encoding/base64"
	"testing"

	"github.com/skylift/skylift/internal/service/s3/record"
)

func TestEncryptionContext(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{`{}`: true, `{"a": "b"}`: true, `null`: false, `[]`: false, `{"a": 1}`: false, ``: false} {
		got, err := encryptionContext(new(base64.StdEncoding.EncodeToString([]byte(text))), &record.Bucket{Name: "tea"}, "k", false)
		if (err == nil) != ok || ok && got[arnKey] != "arn:aws:s3:::tea/k" {
			t.Errorf("%s: %v, %v; want it to be good: %t", text, got, err, ok)
		}
	}
}
