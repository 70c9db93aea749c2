// The portal in a real Chromium with client certificates: the story of a school, a CRIP and a magistrate; axe-core on each page;
// the keyboard alone; no script; pictures of each page, wide and at 320 px. Run by tests/tests/portal_browser.rs.
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";

const told = JSON.parse(process.env.PORTAL);
const require = createRequire(`${told.modules}/`);
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");
mkdirSync(told.pictures, { recursive: true });

const problems = [];
const check = (holds, what) => holds || problems.push(what);
const browser = await chromium.launch({ executablePath: told.chromium, args: ["--no-sandbox"] });

async function machine(institution, more = {}) {
  const folder = `${told.members}/${institution}`;
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    clientCertificates: [{ origin: told.origin, certPath: `${folder}/certificate.pem`, keyPath: `${folder}/key.pem` }],
    viewport: { width: 1200, height: 900 },
    locale: "fr-FR",
    ...more,
  });
  context.setDefaultTimeout(20000);
  return context;
}

async function signIn(context, sub) {
  const page = await context.newPage();
  // That a page answers 404 or 422 is what some of them are for; everything else that Chromium complains of is a problem.
  const ours = (line) => line.type() === "error" && page.url().startsWith(told.origin) && !line.text().includes("the server responded with");
  page.on("console", (line) => ours(line) && problems.push(`console on ${page.url()}: ${line.text()}`));
  page.on("pageerror", (error) => problems.push(`script on ${page.url()}: ${error}`));
  await page.goto(`${told.origin}/portail`);
  await page.getByRole("link", { name: /S’identifier/ }).click();
  await page.getByRole("link", { name: new RegExp(`^${sub}`) }).click();
  await page.waitForURL("**/portail");
  return page;
}

let pictures = 0;
async function look(page, name) {
  pictures += 1;
  const file = `${told.pictures}/${String(pictures).padStart(2, "0")}-${name}`;
  await page.screenshot({ path: `${file}.png`, fullPage: true });
  await page.setViewportSize({ width: 320, height: 640 });
  await page.screenshot({ path: `${file}-320.png`, fullPage: true });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 320, `${name}: ${wide} px wide at 320 px`);
  await page.setViewportSize({ width: 1200, height: 900 });
  await audit(page, name);
}

// A page's own policy lets no script of ours in: axe runs through the debugger, as an extension does.
async function audit(page, name) {
  await page.evaluate(require("node:fs").readFileSync(axe, "utf8"));
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  for (const one of found.violations) problems.push(`axe on ${name}: ${one.id}: ${one.help}: ${one.nodes[0].html.slice(0, 200)}`);
}

try {
  // 1. The school, by the keyboard alone: every stop of the way is a key.
  const school = await machine("dsden-31");
  const page = await school.newPage();
  await page.goto(`${told.origin}/portail`);
  await look(page, "connexion");
  await page.close();
  const desk = await signIn(school, told.school);
  await look(desk, "accueil");
  let keys = 0;
  const press = async (key) => {
    keys += 1;
    await desk.keyboard.press(key);
  };
  // Tab until the element with the focus fits; what is typed counts as one.
  const reach = async (fits) => {
    for (let n = 0; n < 200; n += 1) {
      await press("Tab");
      const at = await desk.evaluate(() => {
        const one = document.activeElement;
        return { name: one.getAttribute("name") ?? "", value: one.getAttribute("value") ?? "", text: one.textContent.trim(), seen: one.matches(":focus-visible") };
      });
      if (fits(at)) {
        check(at.seen, `no visible focus on ${at.name || at.text}`);
        return;
      }
    }
    throw new Error("a control cannot be reached by the keyboard");
  };
  const fill = async (name, text) => {
    await reach((at) => at.name === name);
    keys += 1;
    await desk.keyboard.type(text);
  };
  const choose = async (name, code) => {
    await reach((at) => at.name === name);
    for (let n = 0; n < 40 && (await desk.evaluate(() => document.activeElement.value)) !== code; n += 1) await press("ArrowDown");
  };
  const begun = Date.now();
  await desk.keyboard.press("Tab");
  const skip = await desk.evaluate(() => document.activeElement.className);
  check(skip === "skip", "the first stop is the way to the content");
  await reach((at) => at.text.startsWith("Transmettre une information"));
  await Promise.all([desk.waitForURL("**/information-preoccupante"), press("Enter")]);
  await look(desk, "formulaire-vide");
  await fill("payload/faits/0/date_debut", "11202026");
  await choose("payload/faits/0/source", "vu");
  await fill("payload/faits/0/texte", "Arrive sans repas ni manteau trois jours de suite, s’endort en classe.");
  await reach((at) => at.name === "payload/types_danger" && at.value === "negligences");
  await press("Space");
  await fill("payload/propos_enfant/0/verbatim", "« Le soir c’est moi qui fais manger Barnabé. »");
  await fill("payload/propos_enfant/0/date", "11202026");
  await choose("subjects/0/role", "enfant");
  await fill("subjects/0/birth_name", "FICTIVE");
  await fill("subjects/0/given_names/0", "Capucine");
  await fill("subjects/0/birth_date", "02272014");
  await choose("information/parents/informed", "faite");
  await reach((at) => at.value === "verifier");
  await Promise.all([desk.waitForURL("**/verifier"), press("Enter")]);
  await look(desk, "avant-envoi");
  await reach((at) => at.text === "Envoyer");
  await Promise.all([desk.waitForURL("**/accuse"), press("Enter")]);
  console.log(`keyboard: 11 fields, 3 pages, ${keys} keys and texts, ${Math.round((Date.now() - begun) / 1000)} s with pictures`);
  await look(desk, "accuse");
  await desk.emulateMedia({ media: "print" });
  await desk.screenshot({ path: `${told.pictures}/accuse-imprime.png`, fullPage: true });
  await desk.emulateMedia({ media: null });
  const exchange = desk.url().split("/").at(-2);
  const sheet = desk.waitForEvent("download");
  await desk.getByRole("link", { name: /PDF/ }).click();
  await (await sheet).saveAs(`${told.pictures}/accuse.pdf`);
  const code = await desk.locator("text=Ce que dit le code >> code").textContent();
  await desk.goto(`${told.origin}/portail/verifier-accuse`);
  await desk.getByLabel("Code de l’accusé").fill(code);
  await desk.getByRole("button", { name: "Vérifier" }).click();
  await desk.getByText("a délivré").waitFor();
  await look(desk, "accuse-verifie");
  await desk.goto(`${told.origin}/portail/transmissions`);
  await look(desk, "mes-transmissions");
  await desk.goto(`${told.origin}/portail/transmissions/${exchange}`);
  await look(desk, "une-transmission");
  await desk.getByRole("button", { name: "Il a répondu" }).click();
  await desk.getByText("Dictez ce code").waitFor();
  await look(desk, "appel-consigne");
  await desk.goto(`${told.origin}/portail/transmissions/${exchange}/correction`);
  await look(desk, "correction");
  await desk.goto(`${told.origin}/portail/transmissions/${exchange}/retrait`);
  await look(desk, "retrait");
  await desk.goto(`${told.origin}/portail/transmettre`);
  await look(desk, "types");
  await desk.goto(`${told.origin}/portail/boite/rien`);
  await look(desk, "introuvable");

  // 2. A draft with one more fact, and files sent with a progress bar.
  await desk.goto(`${told.origin}/portail/transmettre/information-preoccupante`);
  await desk.getByLabel(/Ce que vous avez vu/).fill("Un second fait.");
  await desk.getByRole("button", { name: "Ajouter un fait" }).click();
  await desk.waitForURL("**/brouillon/**");
  check((await desk.getByLabel(/Ce que vous avez vu/).count()) === 2, "one more fact");
  await look(desk, "brouillon");
  await desk.getByRole("button", { name: "Relire avant d’envoyer" }).click();
  await desk.waitForURL("**/verifier");
  // Another tab changes it meanwhile: what was not read again is not sent.
  const other = await school.newPage();
  await other.goto(desk.url().replace("/verifier", ""));
  await other.getByLabel(/Ce que vous avez vu/).first().fill("Écrit dans un autre onglet.");
  await other.getByRole("button", { name: "Enregistrer le brouillon" }).click();
  await other.getByText("Brouillon enregistré").waitFor();
  await desk.getByRole("button", { name: "Envoyer" }).click();
  await desk.getByText("Ce brouillon a changé").waitFor();
  await look(desk, "brouillon-change");
  // A page that is left open keeps its text, says so, and lapses.
  await other.clock.install();
  await other.goto(`${told.origin}/portail/transmettre/information-preoccupante`);
  await other.getByLabel(/Ce que vous avez vu/).fill("Laissé ouvert.");
  await other.clock.fastForward(13.2 * 60 * 1000);
  await other.getByRole("alert").getByText("Votre brouillon est enregistré").waitFor();
  await look(other, "session-se-termine");
  await other.close();
  await desk.getByText("Joindre des pièces").click();
  await desk.locator("#piece1").setInputFiles({ name: "dessin <b>.svg", mimeType: "image/svg+xml", buffer: Buffer.from("<svg onload='alert(1)'/>") });
  await look(desk, "avant-envoi-pieces");
  await desk.getByRole("button", { name: "Envoyer" }).click();
  await desk.waitForURL("**/accuse");

  // 3. The CRIP.
  const crip = await signIn(await machine("departement-31"), told.crip);
  await look(crip, "accueil-crip");
  await crip.goto(`${told.origin}/portail/boite`);
  await look(crip, "boite");
  await crip.getByRole("link", { name: "Information préoccupante" }).last().click();
  await crip.waitForURL("**/boite/*");
  await look(crip, "document-pieces");
  const download = crip.waitForEvent("download");
  await crip.getByRole("link", { name: /Enregistrer/ }).click();
  check((await download).suggestedFilename().endsWith(".svg"), "a file is saved");
  await crip.goto(`${told.origin}/portail/boite`);
  await crip.getByRole("link", { name: "Information préoccupante" }).first().click();
  await crip.waitForURL("**/boite/*");
  await look(crip, "document");
  await crip.getByLabel(/refuse/).check();
  await crip.getByRole("button", { name: "Répondre" }).click();
  await crip.waitForURL("**/*motif*");
  await look(crip, "motif-oublie");
  await crip.getByLabel(/prend en charge/).check();
  await crip.getByRole("button", { name: "Répondre" }).click();
  await crip.getByText(/Pris en charge le/).waitFor();
  await look(crip, "pris-en-charge");
  await crip.getByRole("link", { name: /Retour d/ }).click();
  await look(crip, "reponse");
  await crip.getByRole("button", { name: "Relire avant d’envoyer" }).click();
  await crip.getByRole("button", { name: "Envoyer" }).click();
  await crip.getByText("Rien n’a été envoyé").waitFor();
  await look(crip, "refus-au-champ");
  await crip.goto(`${told.origin}/portail/suivis`);
  await look(crip, "suivis");
  await crip.locator("main .rows a").first().click();
  await look(crip, "suivi");

  await crip.goto(`${told.origin}/portail/rapprochements`);
  await look(crip, "rapprochements");
  await crip.getByRole("link", { name: "Comparer" }).first().click();
  await crip.getByRole("heading", { name: "Est-ce la même personne ?" }).waitFor();
  await look(crip, "cote-a-cote");
  await crip.getByLabel(/C’est la même personne/).check();
  await crip.getByRole("button", { name: "Enregistrer la décision" }).click();
  await crip.getByRole("button", { name: /Annuler ce rapprochement/ }).first().waitFor();
  await look(crip, "rapproche");
  await crip.goto(`${told.origin}/portail/urgence/${exchange}`);
  await look(crip, "urgence");
  for (const type of ["demande-information", "signalement"]) {
    await crip.goto(`${told.origin}/portail/transmettre/${type}`);
    await look(crip, type);
  }

  // 4. The magistrate.
  const magistrate = await signIn(await machine("parquet-toulouse"), told.magistrate);
  await magistrate.goto(`${told.origin}/portail/boite?service=permanence`);
  await look(magistrate, "boite-magistrat");
  await magistrate.locator("main table a").first().click();
  await magistrate.waitForURL("**/boite/*");
  await look(magistrate, "signalement");
  await magistrate.emulateMedia({ media: "print" });
  await magistrate.screenshot({ path: `${told.pictures}/signalement-imprime.png`, fullPage: true });
  await magistrate.emulateMedia({ media: null });

  // 4b. Who answers for the data, and who runs the gateway.
  const officer = await signIn(await machine("departement-31"), told.dpo);
  await officer.goto(`${told.origin}/portail/controle`);
  await look(officer, "controle");
  await officer.getByRole("link", { name: "Voir les lectures" }).click();
  await officer.waitForURL("**/lectures");
  await look(officer, "lectures");
  await officer.goto(`${told.origin}/portail/controle`);
  await officer.locator("#preuve").setInputFiles({ name: "preuve.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await officer.getByRole("button", { name: "Vérifier" }).click();
  await officer.getByText("ne peut pas être vérifié").waitFor();
  await look(officer, "preuve");
  const administrator = await signIn(await machine("departement-31"), told.administrator);
  await administrator.goto(`${told.origin}/portail/administration`);
  await look(administrator, "administration");

  // 5. Without script, from the first page to the receipt.
  const plain = await signIn(await machine("chu-toulouse", { javaScriptEnabled: false }), told.hospital);
  await plain.getByRole("link", { name: "Transmettre une information préoccupante" }).click();
  await plain.getByLabel(/Ce que vous avez vu/).fill("Amenée par une voisine.");
  await plain.getByRole("button", { name: "Relire avant d’envoyer" }).click();
  await plain.getByRole("button", { name: "Envoyer" }).click();
  await plain.getByRole("heading", { name: "Accusé de dépôt" }).waitFor();

  // 6. After signing out, going back shows nothing.
  await desk.goto(`${told.origin}/portail/transmissions`);
  await desk.getByRole("button", { name: "Se déconnecter" }).click();
  // By way of the provider, whose session ends too.
  await desk.waitForURL(/\/portail\/connexion/);
  await desk.goBack();
  await desk.waitForLoadState();
  check(!(await desk.content()).includes(exchange), "going back after signing out shows what was there");
} catch (error) {
  problems.push(String(error.stack));
}
await browser.close();
for (const problem of new Set(problems)) console.error(problem);
console.log(`${pictures} pages, ${new Set(problems).size} problems`);
process.exit(problems.length === 0 ? 0 : 1);
