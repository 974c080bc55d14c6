package extension

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
)

// File is an entry of a zip.
type File struct {
	Name string // with / between folders
	Data []byte
}

// pack makes a zip of files, in their order. Every entry has the same time, and sizes stand in front of the data instead of
// behind it: that is what every reader takes, also those that read a zip as a stream.
func pack(files []File) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		var data bytes.Buffer
		deflate, err := flate.NewWriter(&data, flate.BestCompression)
		must(err)
		_, err = deflate.Write(f.Data)
		must(err)
		must(deflate.Close())
		header := &zip.FileHeader{
			Name:               f.Name,
			Method:             zip.Deflate,
			ModifiedDate:       1<<5 | 1, // 1 January 1980, the first day there is
			CRC32:              crc32.ChecksumIEEE(f.Data),
			CompressedSize64:   uint64(data.Len()),
			UncompressedSize64: uint64(len(f.Data)),
		}
		header.SetMode(0o644)
		entry, err := w.CreateRaw(header)
		must(err)
		_, err = entry.Write(data.Bytes())
		must(err)
	}
	must(w.Close())
	return out.Bytes()
}

// must stops the program at an error of writing to memory, which cannot be.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("write a zip to memory: %v", err))
	}
}
