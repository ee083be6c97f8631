# Text 002, Writing Log Files.
stdioLog = self.getLog('stdio')
