"""First names that one person may go by: short forms and other spellings, in seven languages. Pure.

A line is one name in full, then its short forms and other spellings; a long one goes on in a line that begins alike.
What stands with several names is short for each: "Sascha" may be Alexander or Alexandra, who are not each other. Two
words of the list that are not one name are two, however little they differ: so a name that has a neighbour one letter
away stands here even if it has no short form.
"""

from collections import defaultdict
from functools import cache
from typing import NamedTuple

from cleanlist_mcp.people.spellings import spellings

_NAMES = """
aaron aron ron ronnie
abdul abdullah abdallah abd abdoul
abel abe
abigail abby abbie abi gail
abraham abe bram avraham ibrahim
ada adda
adalbert bert
adam addy
adelaide addie adele adelheid heidi
adelina lina
adolf dolf adolfo
adrian ade adrien adriano hadrian
adriana adrianna adrienne ady jana sjaan
adrianus adriaan ad arie janus
agatha aggie agathe
agnes aggie agnese ines
agostino augustin agustin gus tino
ahmed ahmad ahmet
aida
aidan aiden
aileen eileen
alan allan allen alain al
albert al bert bertie alberto albrecht
alberta berta bertha
alberto beto
albin
aldo
alena alenka lena
alessandra sandra ale alex aleksandra
alessandro sandro ale alex
alessia
alessio ale
alexander alex alec aleks lex xander zander sandy sander sasha sascha sacha shura sanya alexandr aleksandr
alexander aleksander alexandre alejandro alik aleco
alexandra alex alexa alexia lexi lexie sandra sandy sasha sascha sacha shura alexandrine aleksandra alejandra
alexandra alessandra
alexei aleksei alexey aleksey alyosha alex aljoscha lyosha
alexis alex lexi
alfons alphonse alfonso fons
alfred fred freddie freddy alf alfie fredi alfredo
alfredo fredo
alice ali alicia alix lisi allie
alicia ali licia
alina alyna lina
alison allison ali allie
alla
alma
alois aloys aloysius luis alosius alojz
alojzy
alva
alvin al
amalia amalie mali amelie amelia
amanda mandy manda mandi
amelia amy millie mia emilia amelie
amina
amir
amit
amy amie ami aimee
ana anita
anastasia ana stacy stacey stasia nastya nastja tasia asya anastasiya anastasija
anatol anatoly anatoli anatolij tolya tolik
andre andrej andrei andrey andrew andreas andi andy dre andris
andrea andie andy andreia andrée
andreas andre andi andy andrew dreas
andrei andrey andrej andrew andryusha andriy andrii andrzej
andres andre
andrew andy drew andre andreas andrej andrey andrei
angel
angela angie angelika angelina angelique gela
angelo
anil
anita annita
ann anne anna annie anni anny anya anja ana
anna ann anne annie anni anny anya anja anouk ana anka anushka nusha nyura anninka annika aneta
annabel annabelle anabel anna bella belle
annalena annelene
anneliese annelies annelise liese lisa anne
annemarie annemieke annmarie annamaria
annette anette anne netti
annika anika anniken
anselm
ansgar
anthony antony tony toni anton antoine antonio ant anto
antoine antonin
anton toni tony anthony antonius antonio tonio tosha antonin antony antoon
antonella antonia nella
antonia toni tonia antonella antonina antoinette tonya
antonio toni tony tonio toño antón anton nino
antonius toon teun ton antoon anton theunis theun
antoon toon
anya
april
ariane
arianna ariana ari
aris
arkady arkasha arkadi
armand armando
armin
arnaud arnold
arne
arno
arnold arnie arno arnaud
arseny arsenij senya
artem artyom tyoma artemy
arthur artur art artie arturo arturs
arvid
asa
astrid asta
august gus augustus augustin augusto gustl
augusta gusta gusti
aurelia
aurelio
aurora
aurore
axel
barbara barb barbie babs bobbie barbra babsi bärbel barbora varvara varya
barnaby barney
barry baz
bartholomew bart barth bartosz bartek barthelemy
bartolomeo bart meo
basil baz basile
bastian bas basti sebastian bastien
beata beate
beatrice bea trixie beatrix bee beatriz bice
beatriz bea beatrice beatrix
belinda linda bel
benedetta
benedict ben benny benedikt benedetto benoit bene bennet
benita
benito
benjamin ben benny benji benjy benjamim
bennet bennett ben
berenice bernice
bernadette bernie detta
bernard bernie bernhard barney bernardo bernd nanard barnard
bernardo nardo
bernd bernt berni
bernhard bernd hardy berni bernard
bernice bernie bunny
bertha berta bert
berthold bert bertold bertolt
bertram bert
bertrand bert
bettina betty tina bettine
beverly bev beverley
bianca blanca bianka
birgit birgitta birgitte gitta gitte britta brigitte brigitta
björn
bodo
bogdan
boris borya
brad bradley bradford
brandon brendan
brenda bren
brendan bren
brian bryan bryant bri
brianna briana bri
bridget bridie biddy bridgette brigid brigitte
brigida brigitta
brigitte gitta gitte brigitta birgit bridgette birgitte
britta birgitta
bruce
bruno
burkhard burkhart burkard
caleb cal
calvin cal
camilla cam millie milla camille camila kamilla kamila
camille cam cami
camillo camilo
candace candy candice
carina karina carin
carl karl charles carlo karel carel kalle
carla karla karola
carlo carl charles
carlos carlitos charly
carlotta lotta charlotte
carmela carmel
carmelo melo
carmen carmina
carol carole caroline carolyn caro
carolina caro carol caroline lina karolina
caroline carolyn carrie caro carol lina line karoline carolin carline
cassandra cass cassie sandra kassandra
cassidy cass
catalina cata lina cati catarina
caterina rina cate katia catherine katherine katharine kathryn cathryn catharina katharina katarina katerina
caterina catarina katrina kathrin cathrin
catharina toos trijntje cato rina catherine katherine katharine kathryn cathryn katharina katarina caterina
catharina katerina catarina katrina kathrin cathrin
catherine cathy cath kate katie cat kathy kitty kit katherine kathryn katharine catharine cathryn catarina
catherine caterina catriona trina cate catalina katarina katharina catharina katerina cathrin cati kath kati
catherine kathrin kathrine katrin katrina katya katja käthe
cecilia cece cissy celia cecily cecile cäcilia cilla silke
cedric ced
celia
celine
cesar cesare caesar
chad
chantal
charles charlie charly chuck chas chip carl karl carlo chaz charley
charlotte charlie lottie lotte lotta char charlott carlotta charlize chacha
chelsea chels
chester chet
chiara clara
chloe chloé cloe khloe
christa krista christina
christian chris christiaan kristian cristian christer krystian cristiano christiano
christiane christa chris christianne christina christine
christina chris chrissy chrissie tina christine kristina cristina christa krista stina christel christiane
christina krystyna
christine chris chrissy chrissie tina christina kristin kristine kirsten christa cristina christel christiane
christoph chris stoffel christof kristof christophe
christopher chris kit topher christoph christophe cristoforo cristobal kris stoffel christof kristof
christopher kristoffer kristopher toph
cindy cynthia cyndi sindy
claire clare clara clair
clara claire clare klara clair clarissa
clarence clare
clarissa clara rissa
claude claudius
claudia klaudia claudie
claudio
clement clem clemens klemens clemente
clifford cliff
clinton clint
coenraad coen koen koenraad
colette
colin collin
concepcion concha conchita conchi
conrad con konrad kurt connie
constance connie constanze stanze constanza konstanze
constantin konstantin kostya costa konstantinos con stan constantine costantino constantino kostja kosta
cora
cordula
corina corinna corinne korinna corrina
cornelia conny connie nelly corrie neele nele kornelia nel nelleke cokkie
cornelis cor cees kees cornelius nelis krelis
cornelius con neil corny conny
craig
crystal chrystal kristal
curt kurt curtis
curtis curt
cynthia cindy cyn
cyril kirill
cyrus cy
damian damien damiano damon
dana
daniel dan danny dani daan danil daniil danylo danielo
daniela dani danny danielle daniella
daniele dani danielle
danielle dani danny elle daniela daniella
daphne daph
daria darya dasha darja
dario
darius dariusz
darrell daryl darryl
darren darrin daren
david dave davy davie dov davide davi dawid
davide
dawid
dawn
dean
deborah deb debbie debby debra debora
deirdre dee
delia
della
denis dennis denny denys dionys
denise denny
derek derrick dirk deric
desmond des
diana di diane dianne
diane di diana dianne
diego santiago
dieter diether didi dietrich
dietmar didi detmar
dietrich dieter dirk dietz
dina
dino
dirk dierk dick
dmitry dmitri dima mitya dmitrij dmitriy dimitri dimitrij dmytro dimitrios dimitry
dolores lola loli
domenico mimmo dominic mingo nico
dominic dom dominik nick nic domenico domingo dominick
dominik domi nik dominic dominick
dominique dom domi
donald don donnie donny
donatella
donna
dora
doris
dorothea dora thea dorothee dorothy doro dorthe
dorothy dot dottie dolly dorothea dorothee dora dodie dory
douglas doug dougie
duncan dunc
dustin
dylan
earl
ebba
eberhard ebbo hardy
eckhard eckehard eckart eckhart ecki eckehart
eden
edgar ed eddie
edith edie edita
edmund ed eddie ned ted edmond edmondo
edna
eduard edi eduardo edward ede edoardo edouard edvard
eduardo edu lalo edward
edward ed eddie eddy ned ted teddy eduard ward eduardo edouard edvard edoardo
edwin ed eddie edvin
edwina winnie
egon
ekaterina katya katja katerina katia catherine katherine katyusha yekaterina jekaterina kate
elaine elena laine ellie
eleanor ellie nell nora nellie elly elinor eleonora leonora lenore eleonore eleanore nelly elenor
elena lena helena ellen helen lenka alyona jelena yelena helene ele elen
eleonora nora ele leonora eleonore
elfriede frieda elfi friedel
elias eli eliah elijah ilias
elijah eli eliah
elina
elisa elise eliza
elisabeth elizabeth liz lizzie lizzy beth betty betsy bess bessie eliza libby lisa liza lisbeth elise elsa
elisabeth elsie liesel lisl sisi sissy else elsbeth lies lilibet elisabetta elisabet elspeth ella ilse elli
elisabeth liese isabel babette elisa els elly betje liesbeth bep
elisabetta betta lisa elisa betty
elke
ella ellie elly elli
ellen ellie elle helen nell eleanor elen
elliott eliot elliot eli
elmar elmer
elsa elsie
else elsie
elvin
elvira
emanuel manny manu immanuel emmanuel manuel
emanuela manu manuela emmanuelle
emanuele manu lele
emil emile emilio
emilia emily emi mila millie milly emilie
emilie emily mili emmy emelie
emilio milo emi
emily em emmy millie milly emilie emelie
emma em emmy emmie
emmanuel manny manu emanuel immanuel
engelbert bert
enrico rico enrique henry heinrich
enrique quique kike henry rico
enzo lorenzo vincenzo
eric erik ric rick rikki erich eerik
erica erika ricki rika ricky
erich erik eric
erna
ernest ernie ernst ernesto
ernesto neto tito
ernst ernie ernest erni
erwin irwin ervin
esteban stephen steven
esther ester essie hester hettie
ethan
ettore hector
eugene gene eugen eugenio yevgeny evgeny evgeni jewgeni yevgeni zhenya evgenij evgeniy
eugenia genia jenia zhenya evgenia yevgenia evgeniya
eugenio genio
eva eve evi ewa evita
evan
evelyn eve evie eveline evelina evi lynn evelyne
ewald
fabian fabi fabio fabien
fabiana
fabienne
fabio
fabrice
fabrizio fabri
federica fede frederica
federico fede fred rico frederick
fedor fyodor theodor fjodor fedya teodor
felicia
felicity fliss felicitas flick feli
felipe philip pippo
felix feli
ferdinand ferdi nando fernand ferdy fernando
ferdinando nando
fergus gus
fernanda nanda fer
fernando nando fer ferdinand fernand
filippo pippo philip
fiona fi
flavia
flavio
florence flo flossie florrie florentina
florian flo flori
franca
frances fran francie fanny frankie franny franziska francesca
francesca fran chicca cesca franca franziska francisca
francesco franco cesco checco ciccio francis franz francisco
francis frank fran frankie francois franz
francisca paca fran paqui franziska franzisca
francisco paco pancho fran curro frank francis kiko cisco chico
franciscus frans cis
franco
francois fran francis
francoise
frank frankie francis franklin franky franck
franz frank franzl frans francis ferenc
franziska franzi fanny sissi zissi franzisca francesca frances siska
frauke
fred
freda frida frieda
frederic fred freddy frederik frederick fredo fredric
frederick fred freddie freddy rick fritz frederic frederik friedrich freddi fredrik fredric
frederik freek frits fred fritz fredrik
frederike frederica fred rike freddie friederike
frida frieda freda
friederike rike fritzi frieda ricki friedel frederike
friedrich fritz fred frieder friedel rick fiete frederick frederic
gabriel gabe gabi gaby gavriel gábor
gabriela gabi gaby gabriele gabriella gabrielle
gabriele gabi gaby gabriela gabriella gabrielle
gabriella gabi gaby ella
gabrielle gabi gaby gabriela elle gabriella
gaetano tano
gail
galina galya galja
gareth gary gaz
garrett garret gary
garry gary
gavin gav
geert gerard gerrit gert
geertruida truus trudy geertje truida
geneviève ginny genna
gennady gena gennadi gennadij
geoffrey geoff jeff jeffrey godfrey joffrey
georg schorsch jörg jürgen george görg girgl
george georgie georg jorge georges giorgio jörg jürgen yuri juri
georgia georgie giorgia
georgina georgie gina
gerald gerry jerry gerd gérald
geraldine gerry geri dina
gerard gerry jerry gerhard ger gerardo gérard gerd gerardus gerrit geert
gerardus gerard ger geert
gerda
gerhard gerd gert hardy gerard geri gerhardt gehrd
gernot
gerrit gerard
gertrude gertie trudy trude gertrud gerti gerda
giacomo giacomino mino james
gianna
gianni
gijsbert gijs bert
gilbert gil bert gilberto
gilles
gina
gino
giorgia
giorgio
giovanna gianna vanna
giovanni gianni gio vanni johannes john nino nanni giovannino
gisela gisi gila
giulia
giuliana
giuliano
giulio
giuseppe beppe peppe pino peppino joseph geppetto bepi
giuseppina giusy pina pinuccia
gloria
gordon gordie gord
gottfried friedel götz gottfrid
grace gracie gracia
graham graeme grahame
gregor greg
gregorio goyo greg
gregory greg gregg gregor grigory grigori grisha gregorio grigorij grégory
greta margarete grete gretel grethe
gretchen margarete
grete margarete
grigory grisha grigori
guadalupe lupe lupita
guido
guillaume willy will
guillermo memo guille willy
gustav gus gustaf gustave gustavo gusti
gustavo gus tavo gustave
guy
gwendolyn gwen wendy gwyn gwendolen gwenda
götz
günter günther gunther gunter
hadrian adrian
hagen
hanna hannah johanna hannerl hanne hana hannelore hanni
hannelore hanne lore hanna hannah loni
hannes johannes hanns jannes
hans johannes johann hannes hansi john hänschen hanns henner
harald harry harold harri
harold harry hal harald
harriet hattie harriett hatty
harry henry harold harald harrison hal harri
hassan hasan
heather
hector ettore
hedwig hedi hede hedy
heidi heide adelheid heidemarie
heike
heiko
heiner heinrich heino
heinrich heinz heiner heini heino henrik henry hinnerk hinrich
heinz heinrich
helen helena helene nell nellie ellen lena ellie elena helenka hella elen
helena helen lena helene elena leni hella lenka helenka jelena yelena
helene leni helen lena helena hella elena lene
helga
helge
helmut hellmut helmuth hellmuth
hendrik henk rik henrik henry driek hank hein henny
hendrika riek rika hennie
henri henry rik henrik
henriette henny jette henrietta hetty etta hettie
henrik henry rik heinrich hinrik hendrik
henry harry hank hal henri heinrich henrik hendrik
herbert herb herbie bert heribert
hermann herman manni ermanno
hermine mine mina hermina
hilary hillary
hilda hilde hildegard
hilde
hildegard hilde hilda hildi
holger
horst
howard howie
hubert bert hubertus huub hubie hub uberto umberto humberto
hubertus huub bertus
hugh hugo hughie
hugo hugh hughie huey
humberto beto umberto
humphrey
ian iain
ibrahim
ida
ignacio nacho iñaki ignaz
ignatius iggy ignaz ignacy
igor
ilaria ila hilary
ilona ilka
ilse
ilya ilia ilja
imogen immy
ina
ines agnes inés inez
inga inge
inge ingeborg ingrid inga
ingo
ingrid inga inge
inna
ira
irene rena irena irina renie
irina ira irena irene irka
iris
irma
isaac isaak ike zack izaak
isabel isabelle isabella izzy bella belle isa isabell ysabel izabela chabela elisabeth isobel
isabella bella izzy isa isabel isabelle isabell
isabelle bella izzy isa isabel isabella belle isabell
isidor isi isidoro
ivan vanya wanja iwan vanja john juan ivo ivica
ivana
ivo
jacek
jack john jackson jacky jackie jacques jacob
jacob jake jacky jakob jacobus jacques jack jaap cobus coby jay
jacobus sjaak koos jaak jaap ko cobus
jacqueline jackie jacqui jacky jaclyn jaqueline
jacques jack jacky jacob jaques
jakob jacob jakub jake köbi jakov jascha jaap jackl
james jim jimmy jamie jem jimi jay jaime diego
jan johannes jean john jannes janek janis
jana jane janina johanna
jane janie janey jenny jan
janet jan janette
janina nina jana
janine janina
jared jarrod jarred
jasmin jasmine yasmin jazz jasmina jaz yasmine
jason jay jase
javier javi xavier xavi
jean jeanne jeannot
jeanette jeannette nettie jean jenny janette
jeanne jean
jeffrey jeff geoff geoffrey jeffery
jenna
jennifer jen jenny jenn jennie
jens johannes jense
jeremias jerry miki jeremiah
jeremy jerry jem jez jeremias jeremiah jérémie jeremie jérémy jeromy
jerome jerry jérôme gerome hieronymus geronimo jeromy
jesse jess jessie
jessica jess jessie jessi jessika
jesus chus suso chuy
joachim achim jochen jo joaquim joaquin jockel chim
joan joanie joanna joann
joanna jo joann joanne joan anna johanna jana asia asya joana
joanne jo joann joanna joan anne johanne
joaquin joachim quino chimo joaquim
jochen joachim
joe
joel
johan johannes johann hans john joop jan
johann hans hannes johannes john hansi johan
johanna hanna hannah jo hanne joan joanna hansi johanne jana joke hanneke anneke
johannes hans hannes johann jo john jens jan hansi jannes joh johnny jannis johan hänsel janis joop
john johnny jack jon johnnie johan johannes juan giovanni ivan ian sean
jonas jona jonah
jonathan jon john jonny johnny nathan jonathon nat jonatan
jordan jordi
jordi jorge
jorge jordi coque george
jose pepe joe chepe joseph pepito josep josé che chema josef
josef joseph sepp jupp beppo pepi joe joschi seppl jozef josip josep yosef
josefina josephine fina pepa pepita josefine
joseph joe joey jo josef jody josephus jose giuseppe sepp yosef yusuf josé jef joep jos jozef josep
josephine jo josie josephina fini josefine fifi joey josefina
josephus jos jef sjef
joshua josh josua joss
joyce
juan juanito juancho john
juana juanita
judith judy judi judit jude jutta
jules julian julien julius
julia julie jule juliana juliette julka julija yulia julischka julchen juliet
julian jules julien julius juliano
juliana jule liana juliane julia
juliane jule julia juliana
julie jules julia juliette jule
juliet juliette jules julia
julio
julius jules jul julian yulius
june
justin jus justus
justus just
jutta judith
jörg jürgen georg joerg görg
jürgen jörg georg juergen jurgen jorgen jürg
kai kay
kamil
kamila camila kamilla camilla
karel carl karl carel
karen karin kari caren carin
karin karen carin katharina kari karina
karina rina karin
karl carl karlchen charles kalle karlheinz
karla
karolina karo lina
karsten carsten kersten
kaspar caspar kasper casper jasper
katarina catherine katherine katharine kathryn cathryn catharina katharina caterina katerina catarina katrina
katarina kathrin cathrin
katharina kathi käthe katja kathrin katrin kati kathy tina trine trina kate katie käte catharina katarina
katharina katerina katharine cathrin rina ina kathe käthi catherine katherine katrina cati cath kathryn
katharina cathryn caterina catarina
katherine kate katie kathy kat kath kitty kit kay kathie katy kathryn katharine catherine kathrine katya
katherine katrina cathryn catharina katharina katarina caterina katerina catarina kathrin cathrin
kathleen kate kathy katie kathie kay cathleen kath
kathrin katrin kati kathi cathrin katharina catrin katrine kathrine catherine katherine katharine kathryn
kathrin cathryn catharina katarina caterina katerina catarina katrina
katja katya katia katharina ekaterina
katrina trina kat kate katharina catherine katherine katharine kathryn cathryn catharina katarina caterina
katrina katerina catarina kathrin cathrin katrin
keith
kelly
kenneth ken kenny kennith
kent
kerry
kerstin kirsten kirstin christine kirstine kersti kersten
kevin kev
kilian killian
kim kimberly kimberley kimmy joachim
kira
kirill cyril kir kirya
klaus claus nikolaus klaas klas
klemens clemens klem
konrad conrad kurt konni conny radek koni
konstantin kostya constantin konsti kosta kostja
kristen kristin christine kirsten kristine kris krissy kirstin kirstine
kristina tina kris christina kristine krissy cristina
ksenia ksyusha oksana ksenija
kurt curt konrad
kyle
kylie
ladislaus laszlo ladislav wladyslaw vladislav wladislaw
lambert bert lamberto
lambertus bert lam
lara
larissa lara laryssa larisa
lars laurentius lorenz lasse
lasse
laura lori laurie lauren laurel lora laure
lauren laura laurie lori
laurence larry laurie lawrence laurent lorenz lorenzo lars loz laurenz
laurens lau rens laurent laurence laurenz
laurent lolo laurenz
laurenz lorenz
lea leah
leander
leandro
lee leigh
leif
leila layla laila leyla lejla
lena helena magdalena elena leni lene lenka
leo leonard leonardo leopold leon leonhard leonid leonidas
leon leo leonid leonhard léon
leona
leonard leo len lenny lennie leonhard leonardo leonhardt
leonardo leo nardo leonard dino
leonhard leo leon hartl lienhard leonard leonhardt
leonid lyonya leon leo lonja
leonie leona loni
leonora nora eleonora
leopold leo poldi leopoldo polde
leopoldo polo
leroy
leslie les lesley lez
lester les
levi
lewis lew lou louis ludwig
liam william
lidia lydia lida
lilian lily lilly lillian lil lili lilli liliane elisabeth
liliana lili lily ana
lina
linda lin lindy lynda
lionel leo
lisa elisabeth liza elisa elise lissa liz lise
liubov lyuba ljuba lyubov ljubov
livia olivia liv
lois
lore hannelore eleonore
lorenz lenz laurenz laurence renz
lorenzo renzo enzo laurence lorenz
loretta
lorraine lori rainey loraine
lothar lotar
louis lou louie luis ludwig lewis
louise lou luise lulu louisa luisa
lourdes lulu
luca luka
lucas luke lukas luc lukasz
lucia lucy luci luce lucie
luciana
luciano lucio ciano
lucie lucy lulu lucia luci
lucinda lucy cindy
lucy lu lucie lucia lucille luci
ludmila lyuda luda mila lyudmila ljudmila ludmilla
ludovic ludo
ludovico ludo vico
ludwig lutz lui wiggerl wickerl louis luis luggi
luigi gigi gino luis
luis lucho luisito louis ludwig
luisa lu luise isa louise louisa
luise lulu lou luisa louise
luitgard
lukas lukasz lucas luke luki
luke lucas lukas luc luki
lutz ludwig
luzia lucia
lydia lyd
lyle
lynn lynne lyn linda
mabel
madeleine maddy madeline maddie mady magdalena madlen madelyn madalena leni
magdalena lena magda leni madeleine magdalene maggie magdalen malena leen madalena
malcolm mal
malte
manfred manni fred mani manfredi freddy
manuel manolo manny manu emanuel lolo manolito
manuela manu ela lola
marc mark markus marcus marco marek
marcel marcello marcelo marcellus
marcela
marcella marcela
marcia
marco marc marko
marcus marc mark markus marcos
marek
margaret maggie meg peggy madge marge margie margo greta daisy rita mags margot margret margareta peg maisie
margaret meggie magda margareth margarita margherita
margarete grete greta gretel gretchen marga rita margret margarethe margit meta margarita marghe grethe
margarete margareth
margaretha greet griet margriet greetje margret
margarita rita marga margaret greta margot margherita margareta margarethe
margherita rita marghe ghita
margit margret margrit
margot margo
marguerite margot maggie meg rita daisy
maria marie mary mia mari mariechen mitzi maja ria mariya marija masha mascha manya marusya maritza mimi mieke
maria marika marya maría marieke marijke riet mies maaike mayte maite maribel marisa
marian marius
mariana mari ana marianna marianne
marianna masha
marianne marianna anne janne marian mariana nanni
marie maria mary mia mieke manon mari
marilyn marilynn
marina rina
mario
marion marian
marisa marissa isa
marius
marjorie marge margie jorie marjory
mark marc markus marcus marek marko
marko
markus marc mark marcus marko
marlene marlen maria magdalena leni lene marlena
marlies marliese marlis
marlon
marta martha
martha marta marty patty mattie
martin marty martijn tin marten martino martinus mertin maarten
martina tina marti martine
martine tine
marvin marv
mary mae maria marie molly polly mimi mamie may mitzi moll mari marya
mason
massimo max massimiliano
mateo matteo matt
mathieu mat matt matthieu
mathilde tilda tilly mathilda matilda thilda hilde matilde
matilda tilda tilly mattie maud matilde mathilda
matteo teo matte
matthew matt matty mat mathew matthias mathieu matteo
matthias matze hias mathias matt matthis matti matthäus mathis hiasl mattias matthijs thijs mathew matty
matthijs thijs ties mathijs matthis
maureen mo reen
maurice moritz mo maurits maury morris mauricio maurizio mauro mauritz
maurizio mauri mauricio
max maximilian maxim maxwell maximo massimo maxi maximilien
maxim max maksim maxime maks
maxime
maximilian max maxi maximiliano milian maximilien
maxwell max
megan meg meghan meaghan
mehmet
meike maike
melanie mel mella melli melany
melinda linda mel mindy lindy
melissa mel lissa missy
melvin mel
mercedes merche merce
mia
michael mike mick mickey mikey micha michel mischa mikael miguel michal michele mikhail michi misha michail
michael mitch michiel mikkel mikhael micky
michaela michi ela micha mikaela michelle
michal
michel mike michael micha michiel
michele michelino lino
michelle shelly chelle micki michele shelley
miguel mike micky michael miki
mikhail misha mischa michael michail mikhael mykhailo
mila
milan
mildred millie
milena mila lena
milos
mina
miranda mandy randy mira
miriam mirjam miri mimi myriam mirja maria
mirko
miroslav mirek miro
mitchell mitch
mohamed muhammad mohammed mohammad muhammed mo mehmet mohamad mohd muhamed med md mamadou
moira maura
molly mary
monica monika mona moni monique nica
monika moni mona monica nika monique
monique mona mo
montserrat montse monserrat
morgan
moritz maurice mo
morten martin
moses mo moe moishe
muriel
murray
myrtle
nadezhda nadya nadia nadja
nadia nadja nadya nadine nadezhda nadeschda
nadine nadja nadia
nancy nan ann anne
naomi noemi nao
natalia natasha nata talia natalie natalya natalja natascha natalija lia natacha natali
natalie nat natasha nathalie talia natalia nattie natali natalya nataly
natascha natasha natalia natacha
nathan nate nat nathaniel
nathaniel nate nat nathan nathanael
neele nele
neil neal niall
nelly nell
nelson nels
nicholas nick nicky nico nicolas nikolas nic nicolaas claus klaus nikolaus cole nikola niklas colin nicolai
nicholas nikolai nikolay
nicola nico nicky nic nikola
nicolas nico nick nicholas niko nikolas colas nicklas
nicole nicky nikki nic nicki niki cole nicoletta
nicolo
nigel nige
nikita nik
niklas nik niko nicklas nicolas niels nils klas nikolas
nikola nico
nikolai kolya nikolay nick nikolaj kolja mykola nicolai
nikolas niko
nikolaus klaus nico niko nick nikolas niklas claus nik nickel nicholas
nina
nino
noah
noel
noelle
nora norah eleonora honora
norbert bert norb
norma
norman norm
octavio tavo
odette
olaf olav ole olof
ole
oleg
olga olya olja olha
oliver ollie olli oli oliviero olivier olly
olivia liv livvy ollie livia via olly
olivier oliviero
omar
orlando rolando
oscar oskar ossi
oswald ozzie os ossi
otto
owen
pablo pablito paul
pamela pam
paola
paolo paulo
pascal
pascale
pasquale lino
patricia pat patty tricia trish patti patsy trixi pati patrizia patrisha
patricio
patrick pat paddy rick patrik patricio patryk
patrizia pat
paul paulo pablo paolo pauly paulus pavel pawel pol
paula pauline pauli paola
paulina lina pauline
pauline paula polly lina paulina
pavel pasha pascha paul pawel
pedro perico pete peter
penelope penny nell pen
percival percy
perry
peter pete petey pitt petr pit pedro pierre petrus piet petya pjotr piotr petros peder per
petra peti
petronella nel petra ella
petrus piet peter
philip phil phillip philipp pip felipe flip philippe filip philippus lippo pippo filippo
philippa pippa pip
phyllis
pia
pier
piero
pierre peter pierrot
pieter piet peter pete
pietro piero peter
pilar pili
piotr pjotr pyotr petya piotrek peter
pola
polina paulina polya
prudence pru prue
rachel rae raquel rahel rachael shelly
rafael rafa raphael raffael raf rafal falo
raffaele lello raf raphael lele
raffaella raffa lella
rahel
raimund ray raymond raymund
raimundo mundo
rainer reiner
ralph ralf raul rafe
ramon ray moncho raimund
randall randy randal randolph
raquel kela
raul ralph
raymond ray raimund raymund
rebecca becky bec becca rebekka rebekah beckie rebeca reba bekki
regina gina regine ina
reginald reg reggie rex
regine gine
reinhard hardy reinhardt reini
reinhold rainer reini
rena
renata rena renate
renate rena nati reni
rene renato
renee
renzo
rhonda
ricarda
ricardo rick richard rico ricky richie riccardo
riccardo ricky richard rico
richard rick dick rich richie ricky dickie ricardo rik richi rico
rita
robert rob bob bobby robbie bert robin berto robby bobbie rupert roberto bobo roby
roberta robbie bobbie berta
roberto beto berto tito robert rob
robin rob robyn
robyn
roderick rod roddy rick rodrigo
rodney rod roddy
rodolfo fito rudy rolf rudolf
rodrigo rodri rod
roger rodge rog rüdiger ruggero
roland rolly rolando rollo
rolf rudolf
roman romain
romeo
romy rosemarie
ronald ron ronnie ronny
rosa rosie rosita rose rosi
rosalie rosa rose
rosalind roz ros rosie rosalinda
rosanna rosa anna roseanne
rosario charo rosa sario chayo
rose rosie rosa rosi
rosemarie rose romy rosi marie rosa
rosemary rose rosie romy mary rosemarie
ross
rostislav slava rostik
rowan
roxanne roxy roxana roxane roxanna
roy
ruben rube reuben
rudolf rudi rolf rudy rudolph ralf dolf rodolfo ruud
rupert robert rupprecht rups
ruslan
ruslana
russell russ rusty
ruth ruthie
ryan
rüdiger rudi roger
sabina bina
sabine bine sabina
sabrina brina
salvador salva chava
salvatore totò salvo turi toto totore
samantha sam sammy sammie
samuel sam sammy samuele samu
samuele
sandra alexandra sandy
sandro
santiago santi diego yago iago james chago jago
sara sarah sally sadie zara sarai
saskia
sean shaun shawn john seán
sebastian seb bastian basti bas sebastiano sebi wastl sebastien sebastião bastien
semyon senya semen
serena
sergei sergey serge sergej seryozha sergio serhii sergi serzh
sergio sergi serge checo
seth
severin
shannon
sharon shari
sheila
shirley
sibylle bille billa sybille sibyl sybil
sidney sid sydney
siegfried sigi siggi fred friedel
sigmund sigi sig siegmund zygmunt
sigrid siri
silke cäcilie
silvana
silvano
silvester sly vester sylvester
silvia sylvia sylvie silvi silv
silvio
simon si simeon szymon siem
simona
simone simo simona
sofia sofie sophie sophia sonia sonja sofja sofi
sonia sonja sonya sophia
sophia sophie sofia sofie sonja
sophie sophia sofie sofia fie sofi fieke
stanislav stas slava stan stanislaus stanislaw stanislas slavik
stanley stan
stefan steffen steve stephan stephen steven stefanos stipe
stefania stefi
stefanie steffi stephanie steffie stefi
stefano steve stefan
steffen
stella estella estrella
sten
stepan styopa stefan stephan
stephan stefan steffen steve stephen steven stefano stephane steff stephanus
stephanie steph steffi stephie stefanie steffie fanny stephany
stephen steve steven stevie stephan stefan steph
steven steve stevie stephen stefan steffen
stewart stuart stu stew
stina
susan sue susie suzie suzy suse susanne susanna suzanne sanna
susana susi susan suzana
susanna sanna susi sue susan susanne suzanna zuzana suzana susana sanne
susanne susi suse sanne susan susanna suzanne sannchen
suzanne sue suzie suzy suzette susanne
sven svend swen
svenja
svetlana sveta lana swetlana svitlana
svyatoslav slava
sylvain
sylvie sylvia
tabitha tabby
tamara tammy tomma mara toma tami tama
tanja tanya tania tatjana
tatiana tanya tanja tania tatjana tatyana tata tetiana
taylor
teodoro teo doro
terence terry terrence terrance tel
teresa theresa tess tessa terry resi tere terri therese teresita thérèse maite
thaddeus tad thad tadeusz
thea
thelma
theo theodor
theodor theo teddy ted theodore teodor
theodore ted teddy theo theodor
theodorus theo theun door dorus
theresa terry tess tessa resi therese teresa tessie tracy theresia
therese resi teresa theresa
theresia trees thea theresa teresa therese
thibault thibaut thib
thilo tilo till
thomas tom tommy thom tomas tommie tomasz tommaso tomaso massimo
thorsten torsten
tilman till tilmann tillmann tim
tim timothy timo
timo
timofey tima timofei
timothy tim timmy timo timotheus timothee timotei
tina
tino
titus
tobias tobi toby tobie
tomas tom thomas tomek tomasz
tracy tracey
travis
trent
trevor trev
tristan
tyler ty
udo
ulf
ulrich uli ulli ulric ueli utz
ulrike uli ulli rike ulrika
ulyana ulya
umberto berto uberto
ursula uschi ursel ulla uschl orsola ursi sula orsolya urszula
ute
uwe
vadim
valentin val valya tino vali valentino
valentina val valya tina
valentine val
valentino
valeria
valerie val valery valérie
valerio
valery valera valerij valeri
vanessa nessa ness
vasily vasya vassili vasili wassili vasyl wasja
veit vitus
vera
verena vreni reni verona rena
vernon vern
veronica ronnie roni vero vera veronika nica
veronika vroni vero vera nika veronica
vicente chente vincent
victor vic viktor vito vitya witja
victoria vicky vicki viki tori viktoria vikki vittoria toria vika vickie
viktor vitya victor vik
viktoria vika vicky viki vicki victoria viktorija vittoria
vincent vince vin vinny vinzenz vincenzo vincenz vinnie cent
vincenza enza
vincenzo enzo vincent vincenz
viola
violet vi violetta
virginia ginny ginger gina virgie
virginie
vitaly vitalik vitali witali
vittorio vito vic
vivian viv vivien vivienne viviane
vivien viv vivian
vladimir vlad volodya wladimir vova wolodja vladi volodymyr
vladislav vlad slava wladislaw vladik
volker volkert
volkmar
vyacheslav slava
wade
walburga burgl
waldemar waldi walde
wallace wally wal
walter walt wally walther gualtiero wat wouter
waltraud traudl traudi waltraut traudel
wanda
warren
wayne
wendelin
wendy
werner wern
wesley wes
wilbert bert
wilbur
wilfred wilf fred will wilfried
wilfried willi fredi wilfred
wilhelm willi willy wim helm will william wilko helmi
wilhelmina mina willa billie minnie wilma mien wil willy
wilhelmine minna mine wilma minchen helmine
wilhelmus wim willem helmus
willem wim wil william pim
william bill will billy willy liam willie wills wm willem guillermo wilhelm
wilma
winfried winni fred
winifred winnie freda win
winston win
wolfgang wolf wolfi wolferl wulf
wolfram wolf
xaver xavi
xavier xavi javier xaver
xenia ksenia oksana xenja
yaroslav slava jaroslav yarik
yegor egor
yolanda yoli yolande
yulia yulya julia
yuri juri jurij yuriy george yury iurii
yves ivo
yvette
yvonne ivonne
zachary zach zack zak zac zachariah zachery zacharias
zoe zoey zoé zoie zoya
александр саша сашка шура саня алекс
александра саша шура аля
алексей алёша лёша леха алёха
алена елена лена
алина аля
анастасия настя ася стася
анатолий толя толик
ангелина лина геля
андрей андрюша дрюня
анна аня анюта нюра нюша
антон тоша антоша
антонина тоня
аркадий аркаша
арсений сеня
артем тёма артемий
борис боря
вадим вадик
валентин валя
валентина валя
валерий валера
валерия лера
варвара варя
василий вася
вера
виктор витя
виктория вика
виталий виталик
владимир вова володя вовка влад
владислав влад владик слава
вячеслав слава славик
галина галя
геннадий гена
георгий гоша жора егор юрий
григорий гриша
даниил даня данила данил
дарья даша
денис
дмитрий дима митя димон
евгений женя
евгения женя
екатерина катя катюша катерина
елена лена алёна
елизавета лиза
иван ваня
игорь
илья илюша
инна
ирина ира
карина
кирилл
константин костя
ксения ксюша оксана
лариса лара
леонид лёня
лидия лида
любовь люба
людмила люда мила люся
максим макс
маргарита рита марго
марина
мария маша маруся маня
михаил миша мишка
надежда надя
наталья наташа наталия ната
никита
николай коля
олег
ольга оля
павел паша
петр петя
полина поля
роман рома
светлана света лана
семен сёма
сергей серёжа серёга
софья соня софия
станислав стас слава
степан стёпа
татьяна таня
тимофей тима
федор федя
юлия юля
юрий юра
яна
ярослав слава ярик
"""


class Forms(NamedTuple):
    """A word as the list knows it: whether it is a name in full, and the names that it may be short for."""

    in_full: tuple[str, ...]
    short_for: tuple[str, ...]


_UNKNOWN = Forms((), ())


def forms_of(word: str) -> Forms:
    """Return what the list knows about a folded word; both parts are empty if it does not have the word.

    Two words may be one name if one is in full what the other is short for, or if neither is a name of its own
    and both are short for the same: "Bob" and "Rob", but not Tina and Nina, who both may be Katharina.
    """
    found = (_forms().get(way) for way in spellings(word))
    return next((forms for forms in found if forms), _UNKNOWN)


@cache
def _forms() -> dict[str, Forms]:
    in_full = set[str]()
    short_for: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for line in _NAMES.strip().splitlines():
        name, *others = (spellings(word)[0] for word in line.split())
        in_full.add(name)
        for other in others:
            short_for[other][name] = None
    return {
        word: Forms((word,) if word in in_full else (), tuple(short_for.get(word, ())))
        for word in in_full | short_for.keys()
    }
