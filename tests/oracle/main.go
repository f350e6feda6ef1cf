// A judge and a witness that share no code with Témoin: Go's own checksum-database packages, as Debian ships them.
//
//	oracle receipt VKEY FILE           a tlog-proof, its entry and its checkpoint
//	oracle tree VKEY OLD NEW PROOF     that one checkpoint contains another
//	oracle witness NAME VKEY           serves C2SP tlog-witness on a free port, and says its key and address
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Println("rejected:", err)
		os.Exit(1)
	}
}

func read(path string) string {
	data, err := os.ReadFile(path)
	must(err)
	return string(data)
}

func hashOf(text string) (h tlog.Hash, err error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil && len(raw) != len(h) {
		err = fmt.Errorf("a hash of %d bytes", len(raw))
	}
	copy(h[:], raw)
	return h, err
}

// checkpoint opens a signed note: size and root.
func checkpoint(text string, key note.Verifier) (int64, tlog.Hash, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(key))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != key.Name() {
		return 0, tlog.Hash{}, fmt.Errorf("not a checkpoint of %s", key.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	root, err := hashOf(lines[2])
	return size, root, err
}

func receipt(key note.Verifier, path string) {
	head, signed, found := strings.Cut(read(path), "\n\n")
	if !found {
		must(fmt.Errorf("no checkpoint"))
	}
	lines := strings.Split(head, "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		must(fmt.Errorf("not a tlog-proof with an entry"))
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	must(err)
	var told struct{ Entry []byte }
	must(json.Unmarshal(extra, &told))
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	must(err)
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		h, err := hashOf(line)
		must(err)
		proof = append(proof, h)
	}
	size, root, err := checkpoint(signed, key)
	must(err)
	must(tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(told.Entry)))
}

func tree(key note.Verifier, older, newer, proofPath string) {
	oldSize, oldRoot, err := checkpoint(read(older), key)
	must(err)
	newSize, newRoot, err := checkpoint(read(newer), key)
	must(err)
	var told struct{ Hashes []string }
	must(json.Unmarshal([]byte(read(proofPath)), &told))
	var proof tlog.TreeProof
	for _, text := range told.Hashes {
		h, err := hashOf(text)
		must(err)
		proof = append(proof, h)
	}
	must(tlog.CheckTree(proof, newSize, newRoot, oldSize, oldRoot))
}

type witness struct {
	sync.Mutex
	name, mode string
	log        note.Verifier
	key        ed25519.PrivateKey
	id         []byte
	size       int64
	root       tlog.Hash
}

func (w *witness) cosign(text string) string {
	now := uint64(time.Now().Unix())
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", now, text)
	raw := append([]byte{}, w.id...)
	raw = binary.BigEndian.AppendUint64(raw, now)
	raw = append(raw, ed25519.Sign(w.key, []byte(message))...)
	return fmt.Sprintf("\u2014 %s %s\n", w.name, base64.StdEncoding.EncodeToString(raw))
}

func (w *witness) add(out http.ResponseWriter, in *http.Request) {
	w.Lock()
	defer w.Unlock()
	if w.mode == "down" {
		http.Error(out, "away", 503)
		return
	}
	body, _ := io.ReadAll(in.Body)
	head, signed, _ := strings.Cut(string(body), "\n\n")
	size, root, err := checkpoint(signed, w.log)
	if err != nil {
		http.Error(out, err.Error(), 403)
		return
	}
	lines := strings.Split(head, "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil || old > size {
		http.Error(out, "old", 400)
		return
	}
	if old != w.size {
		out.Header().Set("content-type", "text/x.tlog.size")
		out.WriteHeader(409)
		fmt.Fprintf(out, "%d\n", w.size)
		return
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := hashOf(line)
		if err != nil {
			http.Error(out, "proof", 400)
			return
		}
		proof = append(proof, h)
	}
	if old > 0 && (old == size && root != w.root || old < size && tlog.CheckTree(proof, size, root, old, w.root) != nil) {
		http.Error(out, "another history", 422)
		return
	}
	w.size, w.root = size, root
	text := signed[:strings.Index(signed, "\n\n")+1]
	switch w.mode {
	case "garbage":
		fmt.Fprint(out, "hello\n")
	case "other":
		fmt.Fprint(out, w.cosign(strings.Replace(text, "\n", "x\n", 1)))
	default:
		fmt.Fprint(out, w.cosign(text))
	}
}

func serve(name string, log note.Verifier) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	typed := append([]byte{4}, public...)
	sum := sha256.Sum256(append([]byte(name+"\n"), typed...))
	w := &witness{name: name, log: log, key: private, id: sum[:4]}
	http.HandleFunc("/add-checkpoint", w.add)
	http.HandleFunc("/mode/", func(out http.ResponseWriter, in *http.Request) {
		w.Lock()
		defer w.Unlock()
		w.mode = strings.TrimPrefix(in.URL.Path, "/mode/")
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Printf("%s+%s+%s http://%s\n", name, hex.EncodeToString(sum[:4]), base64.StdEncoding.EncodeToString(typed), listener.Addr())
	must(http.Serve(listener, nil))
}

func main() {
	arg := func(n int) string {
		if n >= len(os.Args) {
			fmt.Println("usage: oracle receipt|tree|witness …")
			os.Exit(3)
		}
		return os.Args[n]
	}
	keyAt := 2
	if arg(1) == "witness" {
		keyAt = 3
	}
	key, err := note.NewVerifier(arg(keyAt))
	must(err)
	switch arg(1) {
	case "receipt":
		receipt(key, arg(3))
	case "tree":
		tree(key, arg(3), arg(4), arg(5))
	case "witness":
		serve(arg(2), key)
	}
}
